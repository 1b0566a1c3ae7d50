public import ShardKit

extension Safetensors {
  /// Writes tensors to a sink, one at a time; the caller commits.
  ///
  /// Equal tensors give equal bytes, whatever their order here: wide elements come first, then names by bytes, so that
  /// every tensor begins at a multiple of its element. The values begin at a multiple of 8.
  /// - Parameter metadata: the header's `__metadata__`; written sorted by key.
  /// - Throws: `ShardError` if two tensors have one name, a shape does not fit its values, or the sink fails.
  public static func write(
    _ tensors: [TensorSource], metadata: [String: String] = [:], to sink: any ByteSink, name: String
  ) throws(ShardError) {
    let plan = try Plan(tensors, file: name)
    try sink.write(plan.header(metadata: metadata))
    for (tensor, entry) in zip(plan.tensors, plan.entries) {
      var given = 0
      try tensor.values { (piece) throws(ShardError) in
        given += piece.count
        guard given <= entry.bytes else { throw Self.differs(entry, file: name, given: given) }
        try sink.write(piece)
      }
      guard given == entry.bytes else { throw differs(entry, file: name, given: given) }
    }
  }

  /// Writes a file that appears complete or not at all.
  /// - Returns: its digest.
  /// - Throws: `ShardError` if two tensors have one name, a shape does not fit its values, or the file cannot be
  ///   written.
  @discardableResult
  public static func write(
    _ tensors: [TensorSource], metadata: [String: String] = [:], to path: String
  ) throws(ShardError) -> Digest {
    let sink = try FileSink(path)
    try write(tensors, metadata: metadata, to: sink, name: path)
    try sink.commit()
    return sink.digest
  }

  private static func differs(_ entry: Entry, file: String, given: Int) -> ShardError {
    ShardError(
      .malformed, file,
      "tensor '\(entry.name)' of shape \(entry.shape) has \(entry.bytes) bytes, \(given) were given")
  }
}

/// Tensors in the order of the file, with their byte ranges.
private struct Plan {
  var tensors: [TensorSource]
  var entries: [Safetensors.Entry] = []

  init(_ sources: [TensorSource], file: String) throws(ShardError) {
    tensors = sources.sorted {
      $0.type.bytes == $1.type.bytes
        ? $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) : $0.type.bytes > $1.type.bytes
    }
    var at = 0
    var seen: Set<String> = []
    for tensor in tensors {
      guard seen.insert(tensor.name).inserted else {
        throw ShardError(.malformed, file, "two tensors are called '\(tensor.name)'")
      }
      guard tensor.name != "__metadata__" else {
        throw ShardError(.malformed, file, "a tensor cannot be called '__metadata__'")
      }
      guard let bytes = Safetensors.bytes(type: tensor.type, shape: tensor.shape), bytes <= .max - at else {
        throw ShardError(.malformed, file, "tensor '\(tensor.name)' cannot have the shape \(tensor.shape)")
      }
      entries.append(.init(name: tensor.name, type: tensor.type, shape: tensor.shape, range: at..<(at + bytes)))
      at += bytes
    }
  }

  /// Length and JSON, padded with spaces to a multiple of 8.
  func header(metadata: [String: String]) -> [UInt8] {
    var members: [JSONMember] = []
    if !metadata.isEmpty {
      let pairs = metadata.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
      members.append(JSONMember("__metadata__", .object(pairs.map { JSONMember($0.key, .string($0.value)) })))
    }
    for entry in entries {
      members.append(
        JSONMember(
          entry.name,
          [
            "dtype": .string(entry.type.rawValue), "shape": .list(entry.shape.map { .integer($0) }),
            "data_offsets": .list([.integer(entry.range.lowerBound), .integer(entry.range.upperBound)]),
          ]))
    }
    var json = Array(JSONValue.object(members).text().utf8)
    json.append(contentsOf: repeatElement(UInt8(ascii: " "), count: (8 - json.count % 8) % 8))
    return (0..<8).map { UInt8(truncatingIfNeeded: json.count >> ($0 * 8)) } + json
  }
}
