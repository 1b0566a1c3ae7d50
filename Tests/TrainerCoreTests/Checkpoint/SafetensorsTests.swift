import ShardKit
import TestKit
import Testing
import TrainerCore

private let peer = PeerScript("huggingface_safetensors.py")

/// A header with its length, and values behind it.
private func file(_ header: String, values: Int = 0) -> [UInt8] {
  let length = (0..<8).map { UInt8(truncatingIfNeeded: header.utf8.count >> ($0 * 8)) }
  return length + Array(header.utf8) + [UInt8](repeating: 7, count: values)
}

@Suite struct SafetensorsTests {
  private let folder = temporaryDirectory()

  private func path(_ bytes: [UInt8]) throws -> String {
    try FileSystem.write(bytes, to: folder + "/model.safetensors")
    return folder + "/model.safetensors"
  }

  private func message(_ bytes: [UInt8]) throws -> String {
    let path = try path(bytes)
    do {
      _ = try SafetensorsFile(path)
      return "no error"
    } catch {
      return error.description.replacing(path, with: "FILE")
    }
  }

  private let tensors = [
    TensorSource("bias", shape: [2], floats: [0.5, -1]),
    TensorSource("mask", .bool, shape: [3], bytes: [1, 0, 1]),
    TensorSource("steps", .int64, shape: [], bytes: [7, 0, 0, 0, 0, 0, 0, 0]),
    TensorSource("Größe", .uint8, shape: [2, 0], bytes: []),
    TensorSource("half", .bfloat16, shape: [1, 2], bytes: [0x80, 0x3F, 0x00, 0xC0]),
  ]

  @Test func whatIsWrittenIsRead() throws {
    defer { try? FileSystem.removeTree(folder) }
    let path = folder + "/a.safetensors"
    let digest = try Safetensors.write(tensors, metadata: ["format": "pt", "a": "ü"], to: path)
    let file = try SafetensorsFile(path)
    #expect(file.entries.map(\.name) == ["steps", "bias", "half", "Größe", "mask"])
    #expect(file.metadata == ["format": "pt", "a": "ü"])
    #expect(try file.floats(of: "bias") == [0.5, -1])
    #expect(try file.floats(of: "half") == [1, -2])
    #expect(file["half"]?.shape == [1, 2])
    #expect(try file.withBytes(of: "mask") { (_, bytes) in Array(bytes) } == [1, 0, 1])
    #expect(try digest == Digester.digest(file: path))
    let header = try FileSystem.read(path)[0]
    #expect((8 + Int(header)) % 8 == 0, "the values begin at a multiple of 8")

    try Safetensors.write(tensors.reversed(), metadata: ["a": "ü", "format": "pt"], to: folder + "/b.safetensors")
    #expect(try FileSystem.read(folder + "/b.safetensors") == FileSystem.read(path), "order does not matter")
  }

  @Test func theWriterRefusesWhatNoReaderTakes() throws {
    defer { try? FileSystem.removeTree(folder) }
    func message(_ tensors: [TensorSource]) -> String {
      do {
        try Safetensors.write(tensors, to: folder + "/x")
        return "no error"
      } catch { return error.message }
    }
    let short = TensorSource("w", .float32, shape: [2], bytes: [0, 0, 0, 0])
    #expect(message([short]) == "tensor 'w' of shape [2] has 8 bytes, 4 were given")
    let long = TensorSource("w", .uint8, shape: [2], bytes: [0, 0, 0])
    #expect(message([long]) == "tensor 'w' of shape [2] has 2 bytes, 3 were given")
    #expect(message([tensors[0], tensors[0]]) == "two tensors are called 'bias'")
    #expect(message([TensorSource("w", .uint8, shape: [-1], bytes: [])]) == "tensor 'w' cannot have the shape [-1]")
    #expect(try FileSystem.list(folder) == [], "nothing half written is left")
  }

  @Test func damagedFilesAreRefusedWithTheTensorsName() throws {
    defer { try? FileSystem.removeTree(folder) }
    func tensor(_ name: String, _ from: Int, _ to: Int, type: String = "U8", shape: String? = nil) -> String {
      "\"\(name)\":{\"dtype\":\"\(type)\",\"shape\":\(shape ?? "[\(to - from)]"),\"data_offsets\":[\(from),\(to)]}"
    }
    #expect(try message([1, 2, 3]).hasPrefix("FILE: has 3 bytes"))
    #expect(try message(Array(file("{}").dropLast())).hasPrefix("FILE: ends inside its header of 2 bytes"))
    #expect(try message([255, 255, 255, 255, 255, 255, 255, 255]).contains("the limit is 16777216"))
    #expect(try message(file("[]")) == "FILE: has a header that is an array, not an object.")
    #expect(try message(file("{\"a\":")).contains("not JSON at byte 5"))
    #expect(try message(file(String(repeating: "[", count: 1_000_000))).contains("nested deeper"))
    #expect(
      try message(file("{\(tensor("a", 0, 4)),\(tensor("b", 2, 6))}", values: 6))
        == "FILE: tensor 'b' overlaps tensor 'a'.")
    #expect(
      try message(file("{\(tensor("b", 5, 6)),\(tensor("a", 0, 4))}", values: 6))
        == "FILE: tensor 'b' leaves a gap after tensor 'a'.")
    #expect(
      try message(file("{\(tensor("a", 0, 4))}", values: 3)).hasPrefix(
        "FILE: tensor 'a' ends at byte 4 of the values, the file has 3."))
    #expect(try message(file("{\(tensor("a", 0, 4))}", values: 6)) == "FILE: has 2 bytes after tensor 'a'.")
    #expect(try message(file("{\(tensor("a", 4, 2))}")).contains("tensor 'a' cannot have the shape [-2]"))
    #expect(try message(file("{\(tensor("a", 4, 2, shape: "[2]"))}")).contains("tensor 'a' lies from byte 4 to 2"))
    #expect(try message(file("{\(tensor("a", 0, 4, type: "F8"))}", values: 4)).contains("tensor 'a' is of type 'F8'"))
    #expect(try message(file("{\(tensor("a", 0, 4, shape: "[5]"))}", values: 4)).contains("should have 5 bytes of U8"))
    #expect(
      try message(file("{\(tensor("a", 0, 4, shape: "[4294967296, 4294967296]"))}", values: 4))
        .contains("tensor 'a' cannot have the shape"))
    #expect(try message(file("{\(tensor("a", 0, 0)),\(tensor("a", 0, 0))}")).contains("\"a\" appears twice"))
    #expect(
      try message(file("{\(tensor("\u{E9}", 0, 0)),\(tensor("e\u{301}", 0, 0))}")).contains("two tensors are called"))
    #expect(try message(file("{\(tensor("a", 0, 1, shape: "[1.5]"))}", values: 1)).contains("no 'shape'"))
  }

  /// Every way to cut a file short, and every damaged byte of its header, gives an error or the same tensors.
  @Test func noDamageCrashes() throws {
    defer { try? FileSystem.removeTree(folder) }
    try Safetensors.write(tensors, to: folder + "/a")
    let whole = try FileSystem.read(folder + "/a")
    for count in 0..<whole.count {
      #expect(throws: ShardError.self, "cut to \(count)") { try SafetensorsFile(path(Array(whole[..<count]))) }
    }
    for place in 0..<(whole.count - 20) {
      for byte in [0, 0x22, 0x2D, 0x39, 0x5B, 0xFF] as [UInt8] {
        var damaged = whole
        damaged[place] = byte
        guard let file = try? SafetensorsFile(path(damaged)) else { continue }
        for entry in file.entries {
          let bytes = try file.withBytes(of: entry.name) { (_, bytes) in Array(bytes) }
          #expect(bytes.count == entry.bytes)
        }
      }
    }
  }

  @Test func anIndexMayNotLeaveItsFolder() throws {
    defer { try? FileSystem.removeTree(folder) }
    try Safetensors.write([tensors[0]], to: folder + "/part-1.safetensors")
    func open(_ part: String, name: String = "bias") throws -> SafetensorsModel {
      let index = "{\"weight_map\":{\"\(name)\":\"\(part)\"}}"
      try FileSystem.write(Array(index.utf8), to: folder + "/model.safetensors.index.json")
      return try SafetensorsModel(folder)
    }
    #expect(try open("part-1.safetensors").floats(of: "bias") == [0.5, -1])
    for part in ["../part-1.safetensors", "/etc/passwd", "a/b.safetensors", ".hidden", ""] {
      #expect(throws: ShardError.self, "\(part)") { try open(part) }
    }
    #expect(throws: ShardError.self) { try open("part-1.safetensors", name: "weight") }
    #expect(throws: ShardError.self) { try open("part-2.safetensors") }
  }

  /// Older models have PyTorch's files, whole or in parts.
  @Test(arguments: ["pytorch_model.bin", "pytorch_model.bin.index.json"])
  func aFolderOfPyTorchsFilesIsNamedAsThat(_ name: String) throws {
    defer { try? FileSystem.removeTree(folder) }
    let empty = #expect(throws: ShardError.self) { try SafetensorsModel(folder) }
    #expect(empty?.message.contains("holds neither model.safetensors nor") == true)
    try FileSystem.write([1], to: "\(folder)/\(name)")
    let error = #expect(throws: ShardError.self) { try SafetensorsModel(folder) }
    #expect(error?.subject == "\(folder)/\(name)" && error?.hint?.contains("s.save_file({k: v.clone()") == true)
  }

  // MARK: The peer

  @Test(.needs(peer.isUsable, "needs Python with the peer")) func safetensorsReadsWhatIsWritten() throws {
    defer { try? FileSystem.removeTree(folder) }
    let path = folder + "/a.safetensors"
    try Safetensors.write(tensors, metadata: ["format": "pt"], to: path)
    let output = String(decoding: try #require(peer.run("read", path)), as: UTF8.self)
    #expect(
      output == """
        {"format": "pt"}
        Größe torch.uint8 [2, 0] []
        bias torch.float32 [2] [0.5, -1.0]
        half torch.bfloat16 [1, 2] [1.0, -2.0]
        mask torch.bool [3] [1.0, 0.0, 1.0]
        steps torch.int64 [] [7.0]

        """)
  }

  @Test(.needs(peer.isUsable, "needs Python with the peer")) func whatSafetensorsWritesIsRead() throws {
    defer { try? FileSystem.removeTree(folder) }
    _ = try #require(peer.run("write", folder + "/model.safetensors"))
    let file = try SafetensorsFile(folder + "/model.safetensors")
    #expect(file.metadata == ["format": "pt"])
    for name in ["f64", "f32", "f16", "bf16"] { #expect(try file.floats(of: name) == [0, 1, 0, 1, 1, 0], "\(name)") }
    for (name, width) in [("i64", 8), ("i32", 4), ("u8", 1), ("bool", 1)] {
      let bytes = try file.withBytes(of: name) { (_, bytes) in Array(bytes) }
      #expect(bytes == [0, 1, 0, 1, 1, 0].flatMap { [$0] + .init(repeating: 0, count: width - 1) }, "\(name)")
    }
    #expect(try file.floats(of: "half") == [5.9604645e-08, -65504, 0.33300781, .infinity])
    #expect(try file.floats(of: "brain").map(\.bitPattern) == [0x1_0000, 0xFF78_0000, 0x3EAA_0000, 0x7F80_0000])
    #expect(file["empty"]?.shape == [0, 4])
    #expect(try file.floats(of: "scalar") == [2.5])
    #expect(file["scalar"]?.shape == [])
  }

  @Test(.needs(peer.isUsable, "needs Python with the peer")) func partsWithAnIndexAreRead() throws {
    defer { try? FileSystem.removeTree(folder) }
    _ = try #require(peer.run("shards", folder))
    #expect(try FileSystem.list(folder).count > 2)
    let model = try SafetensorsModel(folder)
    #expect(model.names == ["layer.0", "layer.1", "layer.2"])
    for i in 0..<3 { #expect(try model.floats(of: "layer.\(i)") == .init(repeating: Float(i), count: 100)) }
  }
}
