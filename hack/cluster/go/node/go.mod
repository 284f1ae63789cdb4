module example.com/workflow-do/hack/cluster/node

go 1.24.0
