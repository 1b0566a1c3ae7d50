import Glibc
import ShardKit
import TestKit

/// A reader, and what its inputs are made from.
struct FuzzTarget: Sendable {
  /// Runs one input.
  let run: @Sendable ([UInt8]) -> Void
  /// How many variants an input's first byte chooses among; of 0, all bytes are content.
  var choices = 0
  /// Files and folders of `Fixtures` that inputs are made from.
  var fixtures: [String] = []
  /// Further inputs to make others from.
  var samples: [[UInt8]] = []
  /// Pieces that mean something to the reader.
  var words: [String] = []

  init(
    choices: Int = 0, fixtures: [String] = [], samples: [String] = [], bytes: [[UInt8]] = [], words: [String] = [],
    run: @escaping @Sendable ([UInt8]) -> Void
  ) {
    self.run = run
    self.choices = choices
    self.fixtures = fixtures
    self.samples = samples.map { Array($0.utf8) } + bytes
    self.words = words
  }

  private static let longestSeed = 16 << 10

  /// The contents that inputs are made from, once for each choice.
  func seeds() throws -> [[UInt8]] {
    var contents = samples
    for fixture in fixtures {
      let path = packagePath("Fixtures/" + fixture)
      let files = FileSystem.isDirectory(path) ? try FileSystem.walk(path).map { path + "/" + $0 } : [path]
      for file in files { contents.append(Array(try FileSystem.read(file).prefix(Self.longestSeed))) }
    }
    guard choices > 0 else { return contents }
    return contents.flatMap { content in (0..<choices).map { [UInt8($0)] + content } }
  }
}

/// Inputs that once failed, by target.
enum Findings {
  static let root = packagePath("Tests/Fuzz/Findings")

  static func paths(of target: String) -> [String] {
    let folder = root + "/" + target
    return ((try? FileSystem.list(folder)) ?? []).sorted().map { folder + "/" + $0 }
  }
}

// MARK: Making targets

/// Runs a reader of all bytes; its errors are no failures.
func reader(
  fixtures: [String] = [], samples: [String] = [], bytes: [[UInt8]] = [], words: [String] = [],
  _ body: @escaping @Sendable ([UInt8]) throws -> Void
) -> FuzzTarget {
  FuzzTarget(fixtures: fixtures, samples: samples, bytes: bytes, words: words) { input in attempt { try body(input) } }
}

/// The same of UTF-8: bytes that are none are mended first.
func textReader(
  fixtures: [String] = [], samples: [String] = [], words: [String] = [],
  _ body: @escaping @Sendable ([UInt8]) throws -> Void
) -> FuzzTarget {
  reader(fixtures: fixtures, samples: samples, words: words) { input in
    try body(Array(String(decoding: input, as: UTF8.self).utf8))
  }
}

/// Runs a reader that chooses among variants by the input's first byte.
func choosing(
  _ choices: Int, fixtures: [String] = [], samples: [String] = [], bytes: [[UInt8]] = [], words: [String] = [],
  _ body: @escaping @Sendable (Int, [UInt8]) throws -> Void
) -> FuzzTarget {
  FuzzTarget(choices: choices, fixtures: fixtures, samples: samples, bytes: bytes, words: words) { input in
    guard let first = input.first else { return }
    attempt { try body(Int(first) % choices, Array(input.dropFirst())) }
  }
}

/// Runs a reader of a file that holds the input.
func fileReader(
  _ name: String, fixtures: [String] = [], samples: [String] = [], bytes: [[UInt8]] = [], words: [String] = [],
  _ body: @escaping @Sendable (String) throws -> Void
) -> FuzzTarget {
  reader(fixtures: fixtures, samples: samples, bytes: bytes, words: words) { input in
    // A folder a thread: tests run several inputs at the same time.
    let path = "\(folder)/\(pthread_self())/\(name)"
    put(input, path)
    try body(path)
  }
}

private let folder = temporaryDirectory()

func attempt(_ body: () throws -> Void) {
  do {
    try body()
  } catch {
    // An error with a sentence is what bad input deserves; a sealed file that cannot be read is caught in `check`.
  }
}

/// Writes a file for readers that run thousands of times: without syncing it, and shortened only in the end, since disks
/// write at once what was emptied first.
func put(_ bytes: [UInt8], _ path: String) {
  var file = open(path, O_WRONLY | O_CREAT, 0o600)
  if file < 0 {
    try? FileSystem.makeDirectory(String(path[..<path.lastIndex(of: "/")!]))
    file = open(path, O_WRONLY | O_CREAT, 0o600)
  }
  guard file >= 0, write(file, bytes, bytes.count) == bytes.count, ftruncate(file, off_t(bytes.count)) == 0 else {
    fatalError("the input cannot be written")
  }
  close(file)
}

func isText(_ bytes: [UInt8]) -> Bool { (try? UTF8Span(validating: bytes.span)) != nil }
