import Glibc
import PipelineKit
import ShardKit
import TestKit
import Testing
import TrainerCore

@testable import Stages

/// Real processes over gloo.
@Suite(.serialized, .needs(testEngine != nil, "needs Scripts/engine"))
struct CheckNCCLRunTests {
  private func run(_ options: JSONValue) throws -> StageHarness {
    TestEnvironment.set(["PIPELINE_WORKER": ChildProcess.pipeline, "PIPELINE_ENGINE": testEngine!.path])
    return try StageHarness(CheckNCCL.self, options: options).run()
  }

  private func text(_ name: String, _ stage: StageHarness) throws -> String {
    let file = try #require(stage.files("report").first { $0.name == name })
    return String(decoding: try FileSystem.read(file.path), as: UTF8.self)
  }

  @Test(arguments: [2, 3]) func everySizeHasItsBandwidths(_ processes: Int) throws {
    let stage = try run([
      "device": "cpu", "processes": .integer(processes), "minimumBytes": "4KiB", "maximumBytes": "1MiB",
      "iterations": 3,
    ])
    let result = try AllReduceResult(json: JSONValue.parse(try text("all-reduce.json", stage)).value)
    #expect(result.backend == "gloo" && result.device == "CPU" && result.processes == processes)
    #expect(result.points.map(\.bytes) == (12...20).map { 1 << $0 })
    // 1 for two processes, 4/3 for three.
    let factor = 2 * Double(processes - 1) / Double(processes)
    for point in result.points {
      #expect(point.seconds > 0 && point.seconds < 60)
      #expect(abs(point.algorithmBytesPerSecond * point.seconds / Double(point.bytes) - 1) < 1e-9)
      #expect(abs(point.busBytesPerSecond / point.algorithmBytesPerSecond / factor - 1) < 1e-9)
    }
    let table = try text("all-reduce.md", stage)
    #expect(table.contains("\(processes) processes, gloo, CPU, torch "))
    #expect(table.split(separator: "\n").filter { $0.hasPrefix("| ") }.count == 10)
    #expect(table.contains("\n| 4 KiB | ") && table.contains("\n| 1 MiB | "))
    let picture = try text("all-reduce.svg", stage)
    #expect(picture.hasPrefix("<svg ") && picture.contains("All-reduce over \(processes) processes, gloo, CPU"))
    #expect(picture.components(of: "<circle ") == 18)
  }

  /// Two machines with a store each, as a launcher starts them.
  @Test func machinesExchangeMessages() throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    let port = try freePort()
    let machines = try (0..<2).map { number in
      let own = "\(folder)/\(number)"
      try FileSystem.makeDirectory(own)
      let document = """
        { "format": 1, "name": "network", "stages": { "network": { "use": "check.nccl", "options": {
          "device": "cpu", "processes": 1, "nodes": 2, "maximumBytes": "64KiB", "iterations": 2 } } } }
        """
      try FileSystem.write(Array(document.utf8), to: "\(own)/network.json")
      return try ChildProcess(
        ["run", "\(own)/network.json"],
        environment: [
          "WORLD_SIZE": "2", "NODE_RANK": "\(number)", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "\(port)",
          "PIPELINE_ENGINE": testEngine!.path,
        ])
    }
    for (number, machine) in machines.enumerated() {
      let ended = try machine.wait()
      #expect(ended.status == 0, "\(ended.errors)")
      let own = "\(folder)/\(number)"
      let artifact = try ChildProcess.run("artifact", "\(own)/network.json", "network").output
      let path = "\(artifact.dropLast())/all-reduce.json"
      let result = try AllReduceResult(json: JSONValue.parse(try FileSystem.read(path)).value)
      #expect(result.processes == 2 && result.points.count == 5)
    }
  }

  @Test func machinesThatWereNotStartedAreMissed() throws {
    let error = #expect(throws: StageError.self) {
      _ = try run(["device": "cpu", "processes": 1, "nodes": 2, "maximumBytes": "8KiB"])
    }
    #expect(error?.subject == "nodes" && error?.message == "the measurement needs 2 machines, but was started on one")
  }

  @Test func aNetworkBelowWhatIsAskedForFails() throws {
    let error = #expect(throws: StageError.self) {
      _ = try run([
        "device": "cpu", "maximumBytes": "8KiB", "iterations": 1, "minimumBusGigabytesPerSecond": 100_000,
      ])
    }
    #expect(error?.message.hasPrefix("the best bus bandwidth is ") == true)
    #expect(error?.message.hasSuffix("below the 100000.0 asked for") == true)
  }
}

@Suite struct CheckNCCLOptionTests {
  static let refused: [(options: JSONValue, message: String)] = [
    (["processes": 1], "a single process has nobody to exchange messages with"),
    (["minimumBytes": "2MiB", "maximumBytes": "1MiB"], "2097152 exceeds maximumBytes, 1048576"),
    (["minimumBytes": 3], "3 bytes are not a size of messages"),
    (["maximumBytes": "65GiB"], "69793218560 bytes are not a size of messages"),
  ]

  @Test(arguments: refused) func whatCannotBeMeasuredIsRefused(_ options: JSONValue, _ message: String) {
    let error = #expect(throws: StageError.self) {
      _ = try StageDescription(CheckNCCL.self).configured(options)
    }
    #expect(error?.message.contains(message) == true, "\(String(describing: error))")
  }

  /// A head node without GPUs plans for nodes that have eight.
  @Test func aMachineWithoutGPUsInventsNone() throws {
    func stage(_ options: JSONValue) throws -> CheckNCCL {
      try #require(try StageDescription(CheckNCCL.self).configured(options).stage as? CheckNCCL)
    }
    let error = #expect(throws: StageError.self) { _ = try stage(["device": "cuda"]).plannedProcesses(gpus: 0) }
    #expect(error?.subject == "processes" && error?.message.contains("shows no GPU to count") == true)
    #expect(try stage(["device": "cuda"]).plannedProcesses(gpus: 4) == 4)
    #expect(try stage(["device": "cuda", "processes": 8, "nodes": 2]).plannedProcesses(gpus: 0) == 8)
    #expect(try stage(["device": "cpu"]).plannedProcesses(gpus: 0) == 2)
    // One GPU on one machine; two machines of one are enough.
    let alone = #expect(throws: StageError.self) {
      try stage(["device": "cuda"]).requireSeveral(LaunchEnvironment(processesPerNode: 1))
    }
    #expect(alone?.message.contains("nobody to exchange messages with") == true)
    var two = LaunchEnvironment(processesPerNode: 1)
    two.nodes = 2
    #expect(throws: Never.self) { try stage(["device": "cuda"]).requireSeveral(two) }
  }

  @Test func sizesAreWrittenAsTheyAreAsked() {
    #expect([4, 1024, 1536, 1 << 20, 3 << 30].map { binarySize($0) } == ["4 B", "1 KiB", "1536 B", "1 MiB", "3 GiB"])
  }
}

extension String {
  fileprivate func components(of part: String) -> Int { ranges(of: part).count }
}
