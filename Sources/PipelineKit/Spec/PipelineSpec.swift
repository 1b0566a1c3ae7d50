public import ShardKit

/// A pipeline file as it counts: with what it extends, its stages made by `foreach`, and its parameters put in.
public struct PipelineSpec: Sendable {
  /// One entry of `stages`, or one of those that `foreach` makes of it.
  public struct Stage: Sendable {
    public var name: String
    public var nameOffset: Int
    public var use: String
    public var useOffset: Int
    public var options: [JSONMember]
    public var optionsOffset: Int
    public var inputs: [InputReference]
    public var retries: Int
    public var timeoutSeconds: Double?
    /// It may read nothing from a non-empty input.
    public var mayBeEmpty = false
    /// Its documents are written, though the next stage could take them in the same pass.
    public var keeps = false
  }

  /// `"documents": ["wikipedia", "aozora.documents"]`, or `"tokens": { "ja": "encode-ja", "en": "encode-en" }`
  public struct InputReference: Sendable {
    public var port: String
    public var portOffset: Int
    public var sources: [Source]

    public struct Source: Sendable {
      public var stage: String
      public var port: String?
      public var offset: Int
      /// What the input calls the artifact; nil in a list.
      public var name: String?
    }
  }

  /// A name that stands for all stages that `foreach` made.
  public struct Group: Sendable {
    public var name: String
    public var stages: [String]
  }

  public var path: String
  /// Absolute folder of the pipeline file; relative paths start here.
  public var folder: String
  public var name: String
  /// Consecutive stages that can work on one document after another do so in one pass.
  public var passes = false
  public var parameters: [(name: String, value: JSONValue)]
  public var stages: [Stage]
  public var groups: [Group] = []
  var sources = SourceMap()

  init(path: String, sources: SourceMap) {
    self.path = path
    self.sources = sources
    folder = Self.folder(of: path)
    name = ""
    parameters = []
    stages = []
  }

  func error(at offset: Int?, _ jsonPath: String, _ message: String) -> SpecError {
    sources.error(at: offset, root: path, jsonPath, message)
  }
}
