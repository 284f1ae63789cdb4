-- What can be asked of a run now.
local status = obj.status or {}
local ended, failed = false, false
for _, condition in ipairs(status.conditions or {}) do
  if condition.type == "Completed" then
    ended = condition.status == "True"
  elseif condition.type == "Succeeded" then
    failed = condition.status == "False"
  end
end
local asked = obj.spec.desiredState or "Running"
local running, paused = asked == "Running", asked == "Paused"
local retried = (obj.metadata.annotations or {})["workflow.do/retried-by"] ~= nil
return {
  ["pause"] = {disabled = ended or not running},
  ["resume"] = {disabled = ended or not paused},
  ["cancel"] = {disabled = ended or not (running or paused)},
  ["cancel-and-undo"] = {disabled = ended or not (running or paused)},
  ["retry"] = {disabled = not (ended and failed) or retried or status.revisionName == nil}
}
