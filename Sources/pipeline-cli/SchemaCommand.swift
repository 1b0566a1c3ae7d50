import ArgumentParser
import PipelineKit
import Stages

struct SchemaCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "schema", abstract: "Print the JSON Schema of pipeline documents, for editors.",
    discussion: """
      EXAMPLE
        pipeline schema > pipeline.schema.json
      and write "$schema": "pipeline.schema.json" into the document: editors then complete and check it.
      """)

  func run() { Console.json(PipelineSchema.json(.builtin)) }
}
