package agentcmd

// exampleApp is the agent that the tests run: the one of cmd/example-agent.
var exampleApp = App{Name: "example-agent", EnvPrefix: "REDIVER_", StateDir: "~/.rediver"}.withDefaults()
