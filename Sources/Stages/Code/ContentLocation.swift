import NetKit
import PipelineKit
import ShardKit

/// The location of contents: a URL or a path on disk, with a placeholder for the digest.
struct ContentLocation {
  private static let placeholder = "{blob_id}"
  private let template: String
  private let isOnDisk: Bool

  init(_ template: String) throws {
    self.template = template
    isOnDisk = template.hasPrefix("/")
    guard template.contains(Self.placeholder) else {
      throw StageError(
        .options, "contents", "'\(template)' has no placeholder for the digest of a content",
        hint: "Insert {blob_id}, as in https://softwareheritage.s3.amazonaws.com/content/{blob_id}.")
    }
    guard !isOnDisk else { return }
    do throws(NetError) {
      let url = try WebURL(Self.filled(template, String(repeating: "0", count: 40)))
      guard !url.holdsSecret else {
        throw NetError(
          .address, "", "\(url) holds a password, a token or a signature, which would be stored with the run")
      }
    } catch {
      throw StageError(
        .options, "contents", error.message, hint: "Use an http or https URL, or an absolute path on this machine.")
    }
  }

  /// `{prefix}` is the first two digits, for stores that split folders by them.
  private static func filled(_ template: String, _ blob: String) -> String {
    template.replacing("{prefix}", with: blob.prefix(2)).replacing(placeholder, with: blob)
  }

  /// A content's bytes as stored, possibly compressed; nil if it is missing.
  func bytes(of blob: String, limit: Int, _ client: () throws -> HTTPClient) throws -> [UInt8]? {
    let place = Self.filled(template, blob)
    if isOnDisk {
      for path in [place, place + ".gz"] where FileSystem.exists(path) {
        return try FileSystem.read(path, limit: limit)
      }
      return nil
    }
    var request = try HTTPRequest(.get, place)
    request.maximumBytes = limit
    let response = try client().send(request)
    if response.status == 404 || response.status == 410 { return nil }
    return try response.checked().body
  }
}
