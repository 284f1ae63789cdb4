-- A decision that was made; it never changes.
return {status = "Healthy", message = obj.spec.decision}
