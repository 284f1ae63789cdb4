-- Runs that waited start.
obj.spec.suspend = false
return obj
