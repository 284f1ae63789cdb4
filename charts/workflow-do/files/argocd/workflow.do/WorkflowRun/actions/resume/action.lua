-- It goes on.
obj.spec.desiredState = "Running"
return obj
