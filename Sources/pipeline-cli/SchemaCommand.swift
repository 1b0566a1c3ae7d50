import ArgumentParser
import PipelineKit
import Stages

struct SchemaCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "schema", abstract: "Print the JSON Schema of pipeline files, for editors.",
    discussion: """
      EXAMPLE
        pipeline schema > pipeline.schema.json
      and add "$schema": "pipeline.schema.json" to the pipeline file; editors then complete and validate it.
      """)

  func run() { Console.json(PipelineSchema.json(.builtin)) }
}
