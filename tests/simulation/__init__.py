"""The operator's own code, driven by a seeded adversary over a small model of a cluster.

scenario ...... hypothesis draws a workflow; together with one integer it is the whole run
server ........ the model's API server: objects, resourceVersions, what was written when
cluster ....... the model's Job controller, scheduler and kubelet: what truly happened
loop, leader .. one operator process: the real store, observer, executor and writer, on an
                event loop that only moves when it is told to
adversary ..... chooses what happens next, from the seed alone
invariants .... what must hold, each with its source in the design
simulate ...... one run: an unfair phase, then a fair one in which it has to end
campaign ...... thousands of runs, and what they covered
families ...... parents and children: several runs at once, with a worker for each (workers)
"""
