public import ShardKit

/// What `pipeline lock` writes: the outputs that a pipeline had, by digest. Kept next to the pipeline file, in version
/// control; `pipeline run` takes what it names from the remote instead of computing it.
public struct ArtifactLock: JSONRecord, Equatable, Sendable {
  /// The version of lock files; other versions are not read.
  enum Format: Int, Codable { case current = 1 }

  /// The newest output of a stage.
  public struct Entry: Codable, Equatable, Sendable {
    public var stage: String
    /// What it was made from.
    public var fingerprint: Digest
    /// Of its manifest, which has the digest of every file.
    public var manifest: Digest
    /// Of the manifest's text.
    public var manifestBytes: Int64
  }

  var format = Format.current
  public var pipeline: String
  /// Where the outputs are: `s3://bucket/prefix`, an absolute path, or one relative to the lock file.
  public var remote: String?
  /// In the order of the pipeline.
  public var artifacts: [Entry]

  public init(pipeline: String, remote: String?, artifacts: [Entry]) {
    self.pipeline = pipeline
    self.remote = remote
    self.artifacts = artifacts
  }

  public subscript(stage: String) -> Entry? { artifacts.first { $0.stage == stage } }

  /// The lock file of a pipeline file: `corpus.lock.json` next to `corpus.yaml`.
  public static func path(of document: String) -> String {
    "\(ArchivePath.prefix(of: document))\(DocumentSyntax.stem(of: document)).lock.json"
  }

  /// The lock of a pipeline file; nil if there is none.
  /// - Throws: `ShardError` if it cannot be read or is no lock file.
  public static func load(of document: String) throws(ShardError) -> ArtifactLock? {
    let path = path(of: document)
    guard FileSystem.exists(path) else { return nil }
    return try ArtifactLock(jsonFile: path, limit: 64 << 20)
  }

  /// Writes the lock file of a pipeline file.
  /// - Throws: `ShardError` if it cannot be written.
  public func write(of document: String) throws(ShardError) {
    try FileSystem.write(Array(json.prettyText().utf8), to: Self.path(of: document))
  }
}

extension NodeManifest {
  /// As it stands on disk and in a remote.
  var fileText: [UInt8] { Array(json.prettyText().utf8) }
}
