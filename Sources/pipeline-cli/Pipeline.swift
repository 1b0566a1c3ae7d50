import ArgumentParser
import Glibc
import PipelineKit
import ShardKit
import Stages

@main
struct Pipeline: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "pipeline",
    abstract: "Builds corpora and trains models from one declarative document; stops anywhere, resumes there.",
    discussion: """
      EXAMPLES
        pipeline init corpus.json             write a first pipeline
        pipeline run corpus.json              run it; after a crash, go on
        pipeline run corpus.json --from dedupe --set threshold=0.8
        pipeline explain corpus.json dedupe   why a stage runs again
        pipeline trace corpus.json ID         what became of a document

      The document can be left out where $PIPELINE_DOCUMENT names it or the current \
      folder has only one.

      EXIT CODES
        0    done
        1    a stage or a check failed
        2    the document or the arguments are wrong
        130  interrupted
      """,
    version: "\(Product.name) \(Product.version)",
    groupedSubcommands: [
      CommandGroup(name: "Running", subcommands: [RunCommand.self, PlanCommand.self, InitCommand.self]),
      CommandGroup(
        name: "Asking",
        subcommands: [
          StatusCommand.self, ExplainCommand.self, LineageCommand.self, TraceCommand.self, DiffCommand.self,
          ArtifactCommand.self,
        ]),
      CommandGroup(name: "Keeping", subcommands: [VerifyCommand.self, PruneCommand.self]),
      CommandGroup(
        name: "Knowing", subcommands: [StagesCommand.self, SchemaCommand.self, DoctorCommand.self, WorkerCommand.self]),
    ])

  /// Errors of ours print as their sentence and end with the documented code.
  static func main() {
    // A write beyond the limit of a file's size is then an error with a sentence, and not the end of the process.
    signal(SIGXFSZ, SIG_IGN)
    AddressSpace.explainTheEnd()
    do {
      var command = try parseAsRoot()
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
