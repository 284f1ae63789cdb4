-- A new run that takes over what succeeded in this one. A run can be retried once, so the name is
-- made of its uid: asking twice finds it there already.
-- Lua knows neither null nor the difference of {} and []: where the trigger holds such, it does not
-- come through as it was, and by `sameTrigger` the operator then refuses it before anything runs.
local run = {
  apiVersion = "workflow.do/v1alpha1",
  kind = "WorkflowRun",
  metadata = {
    name = "retry-" .. obj.metadata.uid,
    namespace = obj.metadata.namespace,
    labels = {["workflow.do/workflow"] = obj.spec.workflowName}
  },
  spec = {
    workflowName = obj.spec.workflowName,
    trigger = obj.spec.trigger,
    retryOf = {runName = obj.metadata.name, runUID = obj.metadata.uid, sameTrigger = true}
  }
}
return {{operation = "create", resource = run}}
