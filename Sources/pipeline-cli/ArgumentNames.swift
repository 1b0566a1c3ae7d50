import ArgumentParser

// Stages use PipelineKit's wrappers of the same names; in this module the names mean ArgumentParser's.
typealias Option = ArgumentParser.Option
typealias OptionGroup = ArgumentParser.OptionGroup
