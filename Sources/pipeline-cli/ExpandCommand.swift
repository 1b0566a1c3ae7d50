import ArgumentParser
import PipelineKit
import ShardKit

struct ExpandCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "expand", abstract: "Print the pipeline file as it counts, with everything put in.",
    usage: "pipeline expand [<pipeline-file>] [<options>]",
    discussion: """
      One JSON file without extends, foreach and parameters, with the values of --set and of the profile. In the same \
      folder, it is the same pipeline.

      EXAMPLE
        pipeline expand corpus.yaml --set data=/data
      """)

  @OptionGroup var options: SpecArguments

  func run() throws { Console.json(try options.graph().document.resolved) }
}
