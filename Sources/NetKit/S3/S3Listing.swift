import MarkupKit
import ShardKit

/// An object's entry in a listing.
public struct S3Entry: Equatable, Sendable {
  public var key: String
  public var bytes: Int64
  public var etag: String

  public init(key: String, bytes: Int64, etag: String) {
    self.key = key
    self.bytes = bytes
    self.etag = etag
  }
}

extension S3Client {
  /// Lists all objects whose keys begin with the place's key, sorted by key, a thousand per request.
  ///
  /// https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
  /// - Throws: `NetError` if S3 refuses (`.status`), cannot be reached, or its pages are malformed; what `body` throws.
  public func list(_ place: S3Location, pageSize: Int = 1000, _ body: (S3Entry) throws -> Void) throws {
    var token: String?
    repeat {
      var query: [(name: String, value: String?)] = [
        ("list-type", "2"), ("encoding-type", "url"), ("prefix", place.key), ("max-keys", "\(pageSize)"),
      ]
      if let token { query.append(("continuation-token", token)) }
      let page = try answer(.get, S3Location(bucket: place.bucket, key: ""), query, named: "ListBucketResult")
      for content in page.all("Contents") { try body(Self.entry(content, page, place)) }
      let next = page["IsTruncated"] == "true" ? page["NextContinuationToken"] : nil
      guard next == nil || next != token else {
        throw NetError(.content, "\(place)", "the pages of the listing form a loop")
      }
      token = next
    } while token != nil
  }

  /// Checks what a refused HEAD request means; an error if listing is refused as well.
  /// - Throws: `NetError` without keys (`.storage`) or connection, or if S3 refuses (`.status`).
  public func checkListing(_ place: S3Location) throws(NetError) {
    _ = try answer(
      .get, S3Location(bucket: place.bucket, key: ""),
      [("list-type", "2"), ("prefix", place.key), ("max-keys", "1")], named: "ListBucketResult")
  }

  static func entry(_ content: XMLElement, _ page: XMLElement, _ place: S3Location) throws(NetError) -> S3Entry {
    guard let written = content["Key"], let bytes = content["Size"].flatMap({ Int64($0) }), bytes >= 0 else {
      throw NetError(.content, "\(place)", "the listing has an entry without key or size")
    }
    var key = written
    if page["EncodingType"] == "url" {
      // Encoded like form fields: a space may be a plus.
      let bytes = PercentEncoding.decode(written.replacing("+", with: "%20"))
      guard let text = String(validating: bytes, as: UTF8.self) else {
        throw NetError(.content, "\(place)", "the key '\(written)' is not valid UTF-8")
      }
      key = text
    }
    guard key.utf8.starts(with: place.key.utf8) else {
      throw NetError(.content, "\(place)", "the listing contains the key '\(key)', which was not requested")
    }
    return S3Entry(key: key, bytes: bytes, etag: content["ETag"] ?? "")
  }

  /// The XML of a response, whose root element must have this name.
  func answer(
    _ method: HTTPRequest.Method, _ place: S3Location, _ query: [(name: String, value: String?)],
    headers: KeyValuePairs<String, String> = [:], body: HTTPRequest.Body = .none, named name: String
  ) throws(NetError) -> XMLElement {
    let bytes = try ask(method, place, query: query, headers: headers, body: body).body
    guard let root = XMLElement(bytes), root.name == name else {
      throw NetError(
        .content, "\(place)", "the server's response is not a \(name)", hint: "Check that the endpoint supports S3.")
    }
    return root
  }
}
