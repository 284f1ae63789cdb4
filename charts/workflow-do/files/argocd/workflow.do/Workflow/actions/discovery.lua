-- What can be asked of a Workflow now. A run that needs a body is started by who knows the body.
local ready = false
for _, condition in ipairs((obj.status or {}).conditions or {}) do
  ready = ready or (condition.type == "Ready" and condition.status == "True")
end
local suspended = obj.spec.suspend == true
local needs_body = obj.spec.trigger ~= nil and obj.spec.trigger.bodySchema ~= nil
return {
  ["run"] = {disabled = not ready or suspended or needs_body},
  ["pause"] = {disabled = suspended},
  ["resume"] = {disabled = not suspended}
}
