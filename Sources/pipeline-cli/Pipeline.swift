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
        pipeline init corpus.json            write a first pipeline
        pipeline run corpus.json             run it; run it again after a crash and it goes on
        pipeline run corpus.json --from dedupe --set threshold=0.8
        pipeline explain corpus.json dedupe  why a stage runs again

      EXIT CODES
        0 done, 1 a stage failed, 2 the document or the arguments are wrong, 130 interrupted
      """,
    subcommands: [RunCommand.self, PlanCommand.self])

  /// Errors of ours print as their sentence and end with the documented code.
  static func main() {
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
