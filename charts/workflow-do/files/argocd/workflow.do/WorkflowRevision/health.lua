-- Frozen definitions: there is nothing that could go wrong with them.
return {status = "Healthy", message = "frozen"}
