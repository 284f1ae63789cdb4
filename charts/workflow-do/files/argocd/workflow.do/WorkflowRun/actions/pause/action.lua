-- What runs goes on to its end, nothing new starts.
obj.spec.desiredState = "Paused"
return obj
