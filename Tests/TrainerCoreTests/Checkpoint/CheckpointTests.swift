import Glibc
import ShardKit
import Synchronization
import TestKit
import Testing
import TrainerCore

/// A small model's state after so many steps.
func contents(step: Int, fingerprint: String = "f") -> CheckpointContents {
  let value = Float(step)
  return CheckpointContents(
    state: CheckpointState(
      step: step, epoch: 1, sampleInEpoch: step * 8, samples: step * 8 + 100, tokens: step * 1024,
      seed: .max - 3, fingerprint: fingerprint),
    weights: [
      TensorSource("w", shape: [2, 2], floats: [value, -value, 0.5, 1]),
      TensorSource("b", shape: [2], floats: [0, value]),
    ],
    optimizer: [
      TensorSource("w.first", shape: [2, 2], floats: [value, 1, 2, 3]),
      TensorSource("w.second", shape: [2, 2], floats: [value, 4, 5, 6]),
    ])
}

@Suite struct CheckpointTests {
  private let folder = temporaryDirectory()

  private func clean() { try? FileSystem.removeTree(folder) }

  private func steps() throws -> [String] {
    try FileSystem.list(folder).filter { $0.hasPrefix("step-") }.map { String($0.drop { "step-0".contains($0) }) }
  }

  @Test func whatIsSavedIsLoaded() throws {
    defer { clean() }
    let store = try CheckpointStore(folder)
    #expect(try store.latest().found == nil)
    try store.save(contents(step: 1000))
    try store.waitForWrite()
    #expect(store.lastGood?.step == 1000)
    let found = try #require(try CheckpointStore(folder).latest().found)
    #expect(found.state == contents(step: 1000).state)
    #expect(try found.weights.floats(of: "w") == [1000, -1000, 0.5, 1])
    #expect(try found.optimizer.floats(of: "w.second") == [1000, 4, 5, 6])
    #expect(found.folder == folder + "/step-00001000")
    #expect(try FileSystem.read(folder + "/latest") == Array("step-00001000\n".utf8))
    let json = try JSONValue.parse(try FileSystem.read(found.folder + "/state.json")).value
    #expect(json["shapes"]?["w"]?.array == [2, 2])
  }

  @Test func othersOptionsAreRefused() throws {
    defer { clean() }
    let store = try CheckpointStore(folder)
    try store.save(contents(step: 1))
    let found = try #require(try store.latest().found)
    try found.check(fingerprint: "f")
    #expect(throws: TorchError.self) { try found.check(fingerprint: "g") }
  }

  @Test func theRuleKeepsTheLastAndEveryKth() throws {
    defer { clean() }
    let store = try CheckpointStore(folder, keep: KeepRule(keepCheckpoints: 2, keepEverySteps: 4))
    for step in 1...9 { try store.save(contents(step: step)) }
    try store.waitForWrite()
    #expect(try steps() == ["4", "8", "9"])
    // Training went back to step 4: what was past it is another course.
    try store.save(contents(step: 5))
    try store.waitForWrite()
    #expect(try steps() == ["4", "5"])
    #expect(try FileSystem.list(folder) == ["latest", "step-00000004", "step-00000005"])
  }

  @Test func damagedCheckpointsArePassedOverAndNamed() throws {
    defer { clean() }
    let store = try CheckpointStore(folder, keep: KeepRule(keepCheckpoints: 9))
    for step in 1...5 { try store.save(contents(step: step)) }
    try store.waitForWrite()
    func path(_ step: Int, _ name: String) -> String { "\(folder)/step-0000000\(step)/\(name)" }
    try FileSystem.write([], to: path(5, "state.json"))
    var bytes = try FileSystem.read(path(4, "weights.safetensors"))
    bytes[bytes.count - 1] ^= 1
    try FileSystem.write(bytes, to: path(4, "weights.safetensors"))
    let whole = try FileSystem.read(path(3, "optimizer.safetensors"))
    try FileSystem.write(Array(whole.dropLast()), to: path(3, "optimizer.safetensors"))
    let search = try store.latest()
    #expect(search.found?.state.step == 2)
    #expect(
      search.passedOver.map(\.subject) == [
        path(5, "state.json"), path(4, "weights.safetensors"), path(3, "optimizer.safetensors"),
      ])
    #expect(search.warnings[1].hasSuffix("It is passed over: training resumes from step 2."))
    #expect(store.lastGood?.step == 2)
    // Training goes on and comes past the damaged ones.
    for step in 3...5 { try store.save(contents(step: step)) }
    #expect(try store.latest().found?.state.step == 5)
    #expect(try store.latest().warnings == [])
  }

  @Test func everyCutIsPassedOver() throws {
    defer { clean() }
    let store = try CheckpointStore(folder)
    try store.save(contents(step: 1))
    try store.save(contents(step: 2))
    try store.waitForWrite()
    for name in ["state.json", "weights.safetensors", "optimizer.safetensors"] {
      let path = "\(folder)/step-00000002/\(name)"
      let whole = try FileSystem.read(path)
      // The last byte of state.json is its line end.
      for count in 0..<(whole.count - 1) {
        try FileSystem.write(Array(whole[..<count]), to: path)
        #expect(try store.latest().found?.state.step == 1, "\(name) cut to \(count)")
      }
      try FileSystem.remove(path)
      #expect(try store.latest().found?.state.step == 1, "\(name) is gone")
      try FileSystem.write(whole, to: path)
      #expect(try store.latest().found?.state.step == 2)
    }
  }

  /// A write waits for the one before, and says how long.
  @Test func atMostOneWriteIsInFlight() throws {
    defer { clean() }
    let inFlight = Mutex((now: 0, most: 0)), isHeld = Mutex(true)
    func slow(_ step: Int) -> CheckpointContents {
      var slow = contents(step: step)
      slow.weights = [
        TensorSource("w", .uint8, shape: [1]) { (sink) throws(ShardError) in
          inFlight.withLock {
            $0.now += 1
            $0.most = max($0.most, $0.now)
          }
          while isHeld.withLock({ $0 }) { usleep(1000) }
          inFlight.withLock { $0.now -= 1 }
          try [UInt8(1)].withUnsafeBufferPointer { (b) throws(ShardError) in try sink(UnsafeRawBufferPointer(b)) }
        }
      ]
      return slow
    }
    let store = try CheckpointStore(folder)
    #expect(try store.save(slow(1)) == 0)
    #expect(try store.poll() == nil)
    let release = BackgroundThread {
      usleep(100_000)
      isHeld.withLock { $0 = false }
    }
    #expect(try store.save(slow(2)) > 0)
    release?.join()
    #expect(store.lastWritten?.step == 1)
    try store.waitForWrite()
    #expect(inFlight.withLock { $0.most } == 1)
    #expect(store.lastWritten?.step == 2)
  }

  @Test func anErrorSurfacesAtTheNextCallAndOlderOnesStay() throws {
    defer { clean() }
    let store = try CheckpointStore(folder)
    try store.save(contents(step: 1))
    var failing = contents(step: 2)
    failing.optimizer.append(
      TensorSource("x", .uint8, shape: [1]) { (_) throws(ShardError) in throw ShardError(.io, "x", "is broken") })
    try store.save(failing)
    let error = #expect(throws: ShardError.self) { try store.save(contents(step: 3)) }
    #expect(
      error?.message
        == "is broken; the checkpoint of step 2 is not kept, older ones are intact, the last of step 1")
    #expect(try FileSystem.list(folder) == ["latest", "step-00000001"])
    // The error is told once; training may go on.
    try store.save(contents(step: 3))
    #expect(try store.latest().found?.state.step == 3)
  }

  @Test(.permitted(SmallDisk.isAvailable, "only root may mount a file system")) func aFullDiskLeavesOlderCheckpoints()
    throws
  {
    let disk = try SmallDisk(folder)
    defer { disk.unmount() }
    let store = try CheckpointStore(folder)
    try store.save(contents(step: 1))
    var large = contents(step: 2)
    large.weights = [TensorSource("w", .uint8, shape: [4 << 20], bytes: .init(repeating: 1, count: 4 << 20))]
    try store.save(large)
    let error = #expect(throws: ShardError.self) { try store.waitForWrite() }
    #expect(error?.code == .diskFull)
    #expect(error?.description.contains("the last of step 1. Free some space") == true)
    #expect(try store.latest().found?.state.step == 1)
    try store.save(contents(step: 2))
    #expect(try store.latest().found?.state.step == 2, "the room of the failed write is free again")
  }
}

/// A file system of 1 MiB, where the user may mount one.
private struct SmallDisk {
  static let isAvailable: Bool = {
    let folder = temporaryDirectory()
    defer { rmdir(folder) }
    guard let disk = try? SmallDisk(folder) else { return false }
    disk.unmount()
    return true
  }()

  let path: String

  init(_ path: String) throws {
    self.path = path
    guard mount("tmpfs", path, "tmpfs", 0, "size=1m") == 0 else { throw FileSystem.error(path, "cannot be mounted") }
  }

  func unmount() {
    umount2(path, Int32(MNT_DETACH))
    rmdir(path)
  }
}
