package resource

// systemRoot is where /proc and the control groups are.
const systemRoot = "/"
