import ShardKit
import TestKit
import Testing

private let ground = PeerScript("aws_ground.py")

/// `Operations/aws` beside AWS's own software: cfn-lint, moto, ParallelCluster's schema, botocore's models.
@Suite(
  .needs(ground.isUsable, "needs Python with cfn-lint, moto and ParallelCluster"))
struct GroundTests {
  @Test(arguments: ["lint", "stacks", "templates", "parallelcluster", "hyperpod", "nodes", "container"])
  func theGroundIsSound(_ check: String) throws {
    let output = try #require(ground.run(check), "see the script's message above")
    #expect(String(decoding: output, as: UTF8.self).hasPrefix("ok "))
  }
}

/// The shell scripts of `Operations`, which run on machines where nobody watches.
@Suite struct OperationsScriptTests {
  static let scripts = {
    (try? SourceTree())?.files.map(\.path).filter { $0.hasPrefix("Operations/") }.filter { path in
      (try? FileSystem.read(packagePath(path)))?.starts(with: Array("#!/usr/bin/env bash".utf8)) == true
    } ?? []
  }()

  private func run(_ program: String, _ arguments: [String]) throws -> ChildProcess.Result {
    try ChildProcess(arguments, program: program).wait()
  }

  @Test func thereAreScripts() { #expect(Self.scripts.count >= 3) }

  @Test(arguments: scripts) func theShellReadsIt(_ script: String) throws {
    let ended = try run("bash", ["-n", packagePath(script)])
    #expect(ended.status == 0, "\(ended.errors)")
  }

  @Test(
    .needs((try? ChildProcess(["--version"], program: "shellcheck").wait().status) == 0, "needs shellcheck"),
    arguments: scripts)
  func shellcheckFindsNothing(_ script: String) throws {
    let ended = try run("shellcheck", [packagePath(script)])
    #expect(ended.status == 0, "\(ended.output)")
  }

  /// Without root or with other arguments nothing is touched.
  @Test func aNodeIsSetUpOnlyAsAsked() throws {
    let ended = try run(packagePath("Operations/aws/node-setup.sh"), ["one"])
    #expect(ended.status == 1 && ended.errors.contains("usage: node-setup.sh PROJECT BUCKET"))
    let upload = try run(packagePath("Operations/aws/upload"), ["pipeline", "bucket", "/nowhere"])
    #expect(upload.status == 1 && upload.errors.contains("has no program. Make it with Scripts/bundle."))
  }
}
