public import ShardKit

/// A pipeline file as written, with its parameters substituted.
public struct PipelineSpec: Sendable {
  /// One entry of `stages`.
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
  }

  /// `"documents": ["wikipedia", "aozora.documents"]`
  public struct InputReference: Sendable {
    public var port: String
    public var portOffset: Int
    public var sources: [Source]

    public struct Source: Sendable {
      public var stage: String
      public var port: String?
      public var offset: Int
    }
  }

  public var path: String
  /// Absolute folder of the pipeline file; relative paths start here.
  public var folder: String
  public var name: String
  public var parameters: [(name: String, value: JSONValue)]
  public var stages: [Stage]
  let lines: LineTable

  func error(at offset: Int?, _ jsonPath: String, _ message: String) -> SpecError {
    let place = offset.map { lines.place(of: $0) }
    return SpecError(
      file: path, line: place?.line, column: place?.column, jsonPath: jsonPath, message: message)
  }
}
