import ArgumentParser

// Stages declare theirs by PipelineKit's wrappers of these names; here they are the command line's.
typealias Option = ArgumentParser.Option
typealias OptionGroup = ArgumentParser.OptionGroup
