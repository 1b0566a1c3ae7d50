import NetKit
import PipelineKit
import ShardKit

/// Fetches files by their URLs, each checked against the digest that is written beside it.
///
/// A task is a file. What a broken or killed attempt has fetched is kept and gone on with, if the server says that the
/// file is still the same. A finished download stays fresh until its line or `asOf` changes; a file without a digest
/// may have changed meanwhile, and `asOf` is how to say "look again".
public struct HTTPDownload: Stage {
  public struct Options: NetworkOptions {
    public var urls: [String] = []
    public var lists = InputFiles()
    public var asOf = ""
    public var tokenVariable = ""
    public var maximumBytes = ByteCount.gibibytes(1024)
    public var filesAtOnce = 1
    public var contact = ""
    public var delaySeconds = 1.0
    public var bytesPerSecond = ByteCount(0)
    public var attempts = 5
    public var allowPrivateAddresses = false
    public init() {}

    public static let fields =
      [
        OptionField(
          "urls", \Self.urls,
          "What to fetch: a URL, then, where known, its digest (sha256:…, sha1:… or md5:…), its number of bytes and the "
            + "name to give it, each parted by a space."),
        OptionField("lists", \Self.lists, "Files with such lines, one a file; # begins a comment."),
        OptionField("asOf", \Self.asOf, "Another word here fetches everything again."),
        OptionField(
          "tokenVariable", \Self.tokenVariable,
          "The name of an environment variable whose value is sent as a bearer token; it is never stored.",
          affectsOutput: false),
        OptionField("maximumBytes", \Self.maximumBytes, "Larger files are refused."),
        OptionField(
          "filesAtOnce", \Self.filesAtOnce, "How many files of a site are fetched at once.", in: 1...64,
          affectsOutput: false),
      ] + networkFields
  }

  public static let name = "http.download"
  public static let revision = 1
  public static let summary = "Fetches files by their URLs and checks their digests."
  static let files = Output<Files>("files", "The files.")
  public static let outputs = [files.port]

  private let options: Options
  /// Shared by all tasks.
  private let politeness: Politeness

  public init(options: Options) {
    self.options = options
    politeness = options.politeness(requestsAtOnce: options.filesAtOnce)
  }

  public func validate() throws {
    for line in options.urls { _ = try DownloadLine(line, in: "urls") }
  }

  public func tasks(phase: String, in context: PlanningContext) throws -> [TaskPlan] {
    guard !options.urls.isEmpty || !options.lists.isEmpty else {
      throw StageError(.options, "urls", "there is nothing to fetch", hint: "Set \"urls\" or \"lists\".")
    }
    var lines = options.urls.map { (text: $0, place: "urls") }
    if !options.lists.isEmpty {
      for list in try context.files(options.lists) {
        let text = String(decoding: try FileSystem.read(list.path, limit: 64 << 20), as: UTF8.self)
        for (number, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
          let content = line.prefix { $0 != "#" }.split(whereSeparator: \.isWhitespace).joined(separator: " ")
          if !content.isEmpty { lines.append((content, "\(list.path), line \(number + 1)")) }
        }
      }
    }
    var places: [String: String] = [:]
    return try lines.enumerated().map { number, line in
      let download = try DownloadLine(line.text, in: line.place)
      if let other = places.updateValue(line.place, forKey: download.name) {
        throw StageError(
          .options, line.place, "two files would be called '\(download.name)'; the other stands in \(other)",
          hint: "Write another name behind the URL.")
      }
      return TaskPlan(
        key: TaskPlan.padded(number), note: "\(options.asOf) \(line.text)", memoryBytes: 8 << 20)
    }
  }

  public func run(_ workspace: Workspace) throws {
    let note = workspace.task.note
    let line = try DownloadLine(String(note[note.index(after: note.firstIndex(of: " ")!)...]), in: "urls")
    try networked(workspace) {
      var request = HTTPRequest(.get, line.url)
      request.maximumBytes = options.maximumBytes.bytes
      if let token = try token() { request.headers["Authorization"] = "Bearer \(token)" }
      let client = try options.client(politeness, workspace)
      try workspace.download(request, client, line.expectation, to: Self.files, name: line.name)
    }
  }

  private func token() throws -> String? {
    guard !options.tokenVariable.isEmpty else { return nil }
    guard let value = environmentValue(options.tokenVariable) else {
      throw StageError(
        .environment, "tokenVariable", "the environment has no variable \(options.tokenVariable)",
        hint: "Set it to the token, or leave the option out.")
    }
    return value
  }
}

/// A line of `http.download`: `URL [DIGEST…] [BYTES] [NAME]`.
struct DownloadLine {
  var url: WebURL
  var expectation = DownloadExpectation()
  var name: String

  init(_ line: String, in place: String) throws {
    var words = line.split(separator: " ").map(String.init)
    guard !words.isEmpty else { throw StageError(.options, place, "a line is empty") }
    do throws(NetError) { url = try WebURL(words.removeFirst()) } catch {
      throw StageError(.options, place, error.message, hint: error.hint)
    }
    guard !url.holdsSecret else {
      throw StageError(
        .options, place, "\(url) holds a password, a token or a signature, which would be stored with the run",
        hint: "Use \"tokenVariable\".")
    }
    let path = url.target.prefix { $0 != "?" }
    name = path.split(separator: "/").last.map(String.init) ?? ""
    for word in words {
      if let checksum = Checksum(word) {
        expectation.checksums.append(checksum)
      } else if let bytes = Int64(word), bytes >= 0 {
        expectation.bytes = bytes
      } else {
        guard word.firstRange(of: ":") == nil else {
          throw StageError(
            .options, place, "'\(word)' is no digest", hint: "Write sha256:, sha1: or md5: and its hexadecimal digits.")
        }
        name = word
      }
    }
    guard ArchivePath.isSafe(name), !name.hasPrefix("."), !name.hasSuffix("/") else {
      throw StageError(.options, place, "'\(name)' is no name for a file", hint: "Write a name behind \(url).")
    }
  }
}

extension Workspace {
  /// Fetches a file into an output; what is fetched of it survives attempts.
  /// - Parameter check: a look at the whole file; where it throws, the next attempt begins at zero.
  func download<K>(
    _ request: HTTPRequest, _ client: HTTPClient, _ expected: DownloadExpectation, to output: Output<K>, name: String,
    check: (DownloadedFile, String) throws -> Void = { _, _ in }
  ) throws {
    let path = try stateDirectory() + "/download"
    let file = try client.download(request, to: path, expecting: expected)
    do { try check(file, path) } catch {
      try FileSystem.remove(path)
      throw error
    }
    guard let digest = Digest(hex: file.digest.hex) else { fatalError("a SHA-256 has 64 digits") }
    try link(output, name: name, to: ArtifactFile(path: path, name: name, bytes: file.bytes, digest: digest))
    metric("bytes", Double(file.bytes))
    metric("resumedBytes", Double(file.resumedBytes))
    control.advance(bytes: Int(file.bytes))
  }
}
