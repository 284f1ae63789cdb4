-- Whether a Workflow can be run: its condition Ready, once it speaks of what was applied.
-- One that is suspended is as it was asked to be: Suspended would hold up a sync for ever.
local status = obj.status or {}
if status.observedGeneration ~= obj.metadata.generation then
  return {status = "Progressing", message = "waiting for the operator"}
end
for _, condition in ipairs(status.conditions or {}) do
  if condition.type == "Ready" and condition.status == "True" then
    local waits = obj.spec.suspend == true and "suspended: new runs wait" or condition.message
    return {status = "Healthy", message = waits}
  end
  if condition.type == "Ready" and condition.status == "False" then
    return {status = "Degraded", message = condition.reason .. ": " .. (condition.message or "")}
  end
end
return {status = "Progressing", message = "waiting for the operator"}
