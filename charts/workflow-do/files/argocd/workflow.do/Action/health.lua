-- Whether an Action can be used: its condition Ready, once it speaks of what was applied.
local status = obj.status or {}
if status.observedGeneration ~= obj.metadata.generation then
  return {status = "Progressing", message = "waiting for the operator"}
end
for _, condition in ipairs(status.conditions or {}) do
  if condition.type == "Ready" and condition.status == "True" then
    return {status = "Healthy", message = condition.message}
  end
  if condition.type == "Ready" and condition.status == "False" then
    return {status = "Degraded", message = condition.reason .. ": " .. (condition.message or "")}
  end
end
return {status = "Progressing", message = "waiting for the operator"}
