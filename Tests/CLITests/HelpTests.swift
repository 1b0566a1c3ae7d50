import Glibc
import ShardKit
import TestKit
import Testing

@testable import pipeline_cli

/// Every `--help` as it is, so that a change of words is seen. `PIPELINE_RECORD=1 swift test` writes them anew.
@Suite struct HelpTests {
  static let commands = [[]] + Pipeline.commandNames.map { [$0] }

  @Test(arguments: commands) func help(_ command: [String]) throws {
    let bench = try Workbench()
    let outcome = try bench.run(command + ["--help"])
    #expect(outcome.status == 0)
    let path = packagePath("Tests/CLITests/Snapshots/\(command.first ?? "pipeline").txt")
    if getenv("PIPELINE_RECORD") != nil {
      try FileSystem.makeDirectory(packagePath("Tests/CLITests/Snapshots"))
      try FileSystem.write(Array(outcome.out.utf8), to: path)
    }
    #expect(outcome.out == String(decoding: try FileSystem.read(path), as: UTF8.self))
    #expect(outcome.out.split(separator: "\n").allSatisfy { $0.count <= 80 || $0.hasPrefix("USAGE") })
  }
}
