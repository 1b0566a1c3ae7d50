import ArgumentParser
import Glibc
import PipelineKit
import ShardKit
import Stages

@main
struct Pipeline: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "pipeline",
    abstract: "Build corpora and train models from one pipeline file; interrupted runs resume.",
    discussion: """
      EXAMPLES
        pipeline init corpus.json             write a first pipeline file
        pipeline run corpus.json              run it; run again to resume
        pipeline run corpus.json --from dedupe --set threshold=0.8
        pipeline explain corpus.json dedupe   why a stage runs again
        pipeline trace corpus.json ID         where a document went

      The pipeline file can be omitted if $PIPELINE_DOCUMENT names it or if the current \
      folder contains only one.

      EXIT CODES
        0    success
        1    a stage or a check failed
        2    the pipeline file or the arguments are invalid
        130  interrupted
      """,
    version: "\(Product.name) \(Product.version)",
    groupedSubcommands: [
      CommandGroup(
        name: "Run",
        subcommands: [
          RunCommand.self, PlanCommand.self, EstimateCommand.self, AblateCommand.self, InitCommand.self,
          LockCommand.self,
        ]),
      CommandGroup(
        name: "Inspect",
        subcommands: [
          StatusCommand.self, ExplainCommand.self, WhatIfCommand.self, ExpandCommand.self, LineageCommand.self,
          TraceCommand.self, DiffCommand.self, ArtifactCommand.self, LogsCommand.self,
        ]),
      CommandGroup(
        name: "Maintain",
        subcommands: [VerifyCommand.self, PruneCommand.self, RemoveCommand.self, JobsCommand.self, ProfileCommand.self]),
      CommandGroup(
        name: "Reference",
        subcommands: [StagesCommand.self, SchemaCommand.self, DoctorCommand.self, WorkerCommand.self]),
    ])

  /// In the order of the help.
  static var commandNames: [String] {
    configuration.groupedSubcommands.flatMap { $0.subcommands.compactMap { $0.configuration.commandName } }
  }

  /// The command that is named first is parsed alone, since ArgumentParser looks at every command of its tree before it parses
  /// anything, which took 2 ms of each start. A wish for help, and what does not parse, is left to the tree, whose errors and help
  /// name all commands.
  private static func command(_ arguments: [String]) throws -> any ParsableCommand {
    if let name = arguments.first, let named = named(name),
      let command = try? named.parseAsRoot(Array(arguments.dropFirst())), type(of: command) == named
    {
      return command
    }
    return try parseAsRoot(arguments)
  }

  private static func named(_ name: String) -> (any ParsableCommand.Type)? {
    for group in configuration.groupedSubcommands {
      for command in group.subcommands where command.configuration.commandName == name {
        return command.configuration.subcommands.isEmpty ? command : nil
      }
    }
    return nil
  }

  /// Prints errors defined in this project as messages, and exits with the documented codes.
  static func main() {
    // With SIGXFSZ ignored, writing past the file-size limit fails with an error instead of ending the process.
    signal(SIGXFSZ, SIG_IGN)
    AddressSpace.explainTheEnd()
    OpenFiles.raise()
    if CommandLine.arguments.dropFirst() == ["--version"] { return Console.line(configuration.version) }
    do {
      var command = try command(Array(CommandLine.arguments.dropFirst()))
      try command.run()
    } catch let code as ExitCode {
      Glibc.exit(code.rawValue)
    } catch let error where Console.isOurs(error) {
      Console.error("\(error)")
      Glibc.exit(Console.exitCode(error))
    } catch {
      let code = exitCode(for: error)
      if code == .success { exit(withError: error) }
      Console.standardError(fullMessage(for: error) + "\n")
      Glibc.exit(code == .validationFailure ? 2 : code.rawValue)
    }
  }
}
