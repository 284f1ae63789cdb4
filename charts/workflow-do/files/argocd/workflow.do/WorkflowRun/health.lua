-- How a run stands. A hook waits while it is Progressing or Suspended, and fails when Degraded.
local status = obj.status or {}
local conditions = {}
for _, condition in ipairs(status.conditions or {}) do
  conditions[condition.type] = condition
end
local completed = conditions.Completed or {}
local succeeded = conditions.Succeeded or {}
local message = succeeded.message or ""
if completed.status == "True" then
  if succeeded.status == "True" then
    return {status = "Healthy", message = message}
  end
  return {status = "Degraded", message = (succeeded.reason or "failed") .. ": " .. message}
end
if obj.spec.desiredState == "Paused" then
  return {status = "Suspended", message = "paused"}
end
if succeeded.status == nil then
  return {status = "Progressing", message = "waiting for the operator"}
end
return {
  status = "Progressing",
  message = succeeded.reason .. " " .. (status.progress or "") .. " " .. message
}
