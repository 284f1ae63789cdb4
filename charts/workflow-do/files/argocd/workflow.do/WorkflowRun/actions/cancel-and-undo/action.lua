-- What runs ends by itself, then what was done is undone.
obj.spec.desiredState = "CancelledWithCompensation"
return obj
