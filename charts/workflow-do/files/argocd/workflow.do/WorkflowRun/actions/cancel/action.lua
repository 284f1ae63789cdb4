-- Ends it for good.
obj.spec.desiredState = "Cancelled"
return obj
