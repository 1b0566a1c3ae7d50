import Glibc
import ShardKit
import TestKit
import Testing
import TrainerCore

/// Saves four checkpoints and the last one again; notes in a file which step is known to be durable.
private func train(_ folder: String, from first: Int) throws {
  let store = try CheckpointStore(folder + "/checkpoints", keep: KeepRule(keepCheckpoints: 2))
  for step in Array(first...4) + [4] {
    try store.save(contents(step: step))
    try store.waitForWrite()
    let file = open(folder + "/durable", O_WRONLY | O_CREAT, 0o666)
    var byte = UInt8(step)
    guard write(file, &byte, 1) == 1 else { fatalError("no room for a byte") }
    close(file)
  }
}

/// Digest of every file, hidden ones too.
private func files(_ folder: String) throws -> [String: String] {
  var out: [String: String] = [:]
  for name in try FileSystem.list(folder) {
    let path = folder + "/" + name
    for inner in FileSystem.isDirectory(path) ? try FileSystem.list(path) : [""] {
      let file = inner.isEmpty ? path : path + "/" + inner
      out[name + "/" + inner] = try Digester.digest(file: file).hex
    }
  }
  return out
}

@Suite struct CheckpointCrashTests {
  @Test(arguments: FaultPoint.checkpointNames + ["file.written", "file.renamed"])
  func aKillNeverCostsADurableCheckpoint(point: String) async throws {
    let root = temporaryDirectory()
    defer { try? FileSystem.removeTree(root) }
    try train(root, from: 1)
    let whole = try files(root + "/checkpoints")
    let occurrences = point.hasPrefix("file.") ? Array(1...20) : point == "checkpoint.replaced" ? [1] : [1, 2]
    for occurrence in occurrences {
      let folder = "\(root)/\(occurrence)"
      try FileSystem.makeDirectory(folder)
      let fault = "\(point):\(occurrence)"
      await #expect(processExitsWith: .signal(SIGKILL), "\(fault) was not reached") {
        [folder = folder as String, fault = fault as String] in
        setenv("PIPELINE_FAULT", fault, 1)
        try train(folder, from: 1)
      }
      let durable = Int((try? FileSystem.read(folder + "/durable").first) ?? 0)
      let search = try CheckpointStore(folder + "/checkpoints").latest()
      #expect(search.passedOver == [], "\(fault): no name of a whole checkpoint stands on half of one")
      let step = search.found?.state.step ?? 0
      #expect(step >= durable, "\(fault): step \(durable) was durable")
      if let found = search.found { #expect(try found.weights.floats(of: "b") == [0, Float(step)]) }
      try train(folder, from: min(step + 1, 4))
      #expect(try files(folder + "/checkpoints") == whole, "\(fault)")
    }
  }
}
