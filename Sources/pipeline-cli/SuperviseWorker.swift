import ArgumentParser
import ShardKit

extension WorkerCommand {
  /// Stands between a run and a program of the user's, and ends with the run.
  struct Supervise: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Run a program, and end everything that it starts.")

    @Option(help: "Main memory that it may use, in bytes. 0: no limit.")
    var memory = 0

    @Option(help: "The folder in which it runs.")
    var folder: String

    @Option(help: "Files that it may have open at once.")
    var files: Int?

    @Argument(parsing: .captureForPassthrough, help: "The program and its arguments.")
    var words: [String]

    func run() throws {
      let command = words.first == "--" ? Array(words.dropFirst()) : words
      guard !command.isEmpty else { throw ValidationError("Missing the program.") }
      let supervisor = ProgramSupervisor(command, folder: folder, memoryBytes: memory, openFiles: files)
      throw ExitCode(supervisor.run())
    }
  }
}
