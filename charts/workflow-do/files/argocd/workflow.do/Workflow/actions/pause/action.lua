-- New runs wait; live ones go on.
obj.spec.suspend = true
return obj
