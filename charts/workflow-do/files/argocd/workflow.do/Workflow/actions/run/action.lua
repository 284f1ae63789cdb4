-- Starts a run without a body. Asked for twice within a second, it is one run: the name is the time.
local digits = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "a", "b", "c", "d", "e", "f"}
local rest = os.time()
local suffix = ""
while rest > 0 do
  suffix = digits[rest % 16 + 1] .. suffix
  rest = (rest - rest % 16) / 16
end
local run = {
  apiVersion = "workflow.do/v1alpha1",
  kind = "WorkflowRun",
  metadata = {
    name = obj.metadata.name .. "-" .. suffix,
    namespace = obj.metadata.namespace,
    labels = {["workflow.do/workflow"] = obj.metadata.name}
  },
  spec = {
    workflowName = obj.metadata.name,
    trigger = {type = "api"}
  }
}
return {{operation = "create", resource = run}}
