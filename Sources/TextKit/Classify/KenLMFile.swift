import ShardKit

/// A file of KenLM's build_binary: a head that says how it was made and how many n-grams there are, the words, the n-grams.
struct KenLMFile {
  enum Kind: UInt32 {
    case probing, restProbing, trie, quantizedTrie, arrayTrie, quantizedArrayTrie

    var name: String {
      switch self {
      case .probing: "probing hash tables"
      case .restProbing: "probing hash tables with rest costs"
      case .trie: "a trie"
      case .quantizedTrie: "a quantized trie"
      case .arrayTrie: "a trie with compressed pointers"
      case .quantizedArrayTrie: "a quantized trie with compressed pointers"
      }
    }
  }

  static let magic = Array("mmap lm http://kheafield.com/code".utf8)
  /// What all files of the one version begin with: its name, filled up with zeros, and numbers that tell how they are stored.
  private static let start: [UInt8] = {
    let name = Array("mmap lm http://kheafield.com/code format version 5\n".utf8)
    let numbers: [UInt32] = [Float(0), 1, -0.5].map(\.bitPattern) + [1, .max, 0, 1, 0]
    return name + [UInt8](repeating: 0, count: 56 - name.count)
      + numbers.flatMap { number in (0..<4).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) } }
  }()

  let path: String
  let file: MappedFile
  let kind: Kind
  let multiplier: Float
  /// N-grams of each length.
  let counts: [Int]
  /// Where the words begin.
  let headBytes: Int

  /// - Throws: `ShardError` if the file cannot be read: `.malformed`, or `.unsupported` if KenLM would read it.
  init(_ path: String) throws(ShardError) {
    self.path = path
    file = try MappedFile(path)
    let bytes = file.bytes
    guard bytes.starts(with: Self.start), bytes.count >= Self.start.count + 20 else {
      throw ShardError(
        .malformed, path, "is no finished file of KenLM's binary version 5 for this kind of machine",
        hint: "Make it anew with build_binary, or take the ARPA file.")
    }
    let fixed = Self.start.count
    let order = Int(bytes[fixed])
    multiplier = bytes.loadUnaligned(fromByteOffset: fixed + 4, as: Float.self)
    let type = bytes.loadUnaligned(fromByteOffset: fixed + 8, as: UInt32.self)
    let version = bytes.loadUnaligned(fromByteOffset: fixed + 16, as: UInt32.self)
    guard let kind = Kind(rawValue: type), kind == .probing || kind == .trie,
      version == (kind == .probing ? 0 : 1)
    else {
      let name = Kind(rawValue: type).map(\.name) ?? "kind \(type)"
      throw ShardError(
        .unsupported, path, "holds \(name), version \(version), which is not read",
        hint: "Make it with 'build_binary probing' or 'build_binary trie' without -q and -a, or take the ARPA file.")
    }
    self.kind = kind
    headBytes = (fixed + 20 + 8 * order + 7) & ~7
    var counts: [Int] = []
    if bytes.count >= headBytes {
      for place in 0..<order {
        let count = bytes.loadUnaligned(fromByteOffset: fixed + 20 + 8 * place, as: UInt64.self)
        // An n-gram takes more than a byte.
        counts.append(count <= UInt64(bytes.count) ? Int(count) : -1)
      }
    }
    guard (2...16).contains(order), counts.count == order, counts.allSatisfy({ $0 >= 0 }), counts[0] > 0,
      multiplier.isFinite, (1...1000).contains(multiplier)
    else { throw Self.damaged(path) }
    self.counts = counts
  }

  static func damaged(_ path: String) -> ShardError {
    ShardError(
      .malformed, path, "is damaged: its size does not fit its head",
      hint: "Make it anew with build_binary, or take the ARPA file.")
  }

  /// The sections from the head's end on, of these sizes in bytes.
  /// - Returns: where each begins.
  func sections(_ sizes: [Int]) throws(ShardError) -> [UnsafeRawPointer] {
    var at = headBytes
    var starts: [UnsafeRawPointer] = []
    for size in sizes {
      guard size >= 0, size <= file.bytes.count - at else { throw Self.damaged(path) }
      starts.append(file.bytes.baseAddress! + at)
      at += size
    }
    return starts
  }
}

/// The hash of KenLM's words: MurmurHash64A, which is in the public domain.
@inline(__always)
func kenLMHash(_ text: UnsafeRawBufferPointer) -> UInt64 {
  let factor: UInt64 = 0xC6A4_A793_5BD1_E995
  var hash = UInt64(text.count) &* factor
  var at = 0
  while at &+ 8 <= text.count {
    var part = text.loadUnaligned(fromByteOffset: at, as: UInt64.self) &* factor
    part ^= part >> 47
    hash = (hash ^ part &* factor) &* factor
    at &+= 8
  }
  if at < text.count {
    var rest: UInt64 = 0
    for place in at..<text.count { rest |= UInt64(text[place]) << UInt64(8 &* (place &- at)) }
    hash = (hash ^ rest) &* factor
  }
  hash ^= hash >> 47
  hash = hash &* factor
  return hash ^ hash >> 47
}
