import MarkupKit
public import ShardKit

/// A part of an unfinished object on the server.
public struct S3Part: Equatable, Sendable {
  public var number: Int
  public var bytes: Int64
  public var etag: String
  /// Base64 of its SHA-256, if the upload stores checksums.
  public var checksum: String?

  public init(number: Int, bytes: Int64, etag: String, checksum: String? = nil) {
    self.number = number
    self.bytes = bytes
    self.etag = etag
    self.checksum = checksum
  }
}

/// Multipart uploads. https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html
extension S3Client {
  public static let smallestPartBytes = 5 << 20
  public static let mostParts = 10_000
  public static let largestObjectBytes: Int64 = 5 << 40

  /// - Returns: the upload's id.
  /// - Throws: `NetError` without keys (`.storage`) or connection, or if S3 refuses (`.status`).
  public func createUpload(_ place: S3Location, digest: Digest, withChecksums: Bool) throws(NetError) -> String {
    let headers: KeyValuePairs =
      withChecksums
      ? [Self.digestField: digest.hex, "x-amz-checksum-algorithm": "SHA256"] : [Self.digestField: digest.hex]
    let root = try answer(
      .post, place, [("uploads", nil)], headers: headers, named: "InitiateMultipartUploadResult")
    guard let id = root["UploadId"], !id.isEmpty else {
      throw NetError(.content, "\(place)", "the server started an upload without an id")
    }
    return id
  }

  /// Uploads bytes of a file as a part.
  /// - Parameter digest: of these bytes.
  /// - Throws: `NetError` without connection or keys (`.storage`), if S3 refuses (`.status`), or reading fails.
  public func upload(
    _ number: Int, of upload: String, _ place: S3Location, file path: String, offset: Int64, bytes: Int64,
    digest: Checksum, withChecksum: Bool
  ) throws(NetError) -> S3Part {
    let headers: KeyValuePairs =
      withChecksum
      ? [
        RequestSignature.bodyDigestField: digest.hex, "x-amz-checksum-sha256": digest.base64,
        "x-amz-sdk-checksum-algorithm": "SHA256",
      ]
      : [RequestSignature.bodyDigestField: digest.hex]
    let answer = try ask(
      .put, place, query: [("partNumber", "\(number)"), ("uploadId", upload)], headers: headers,
      body: .file(path: path, offset: offset, length: bytes))
    guard let etag = answer.headers["ETag"], !etag.isEmpty else {
      throw NetError(.content, "\(place)", "the server accepted part \(number) without an ETag")
    }
    return S3Part(number: number, bytes: bytes, etag: etag, checksum: withChecksum ? digest.base64 : nil)
  }

  /// The parts that the server has; nil if the upload does not exist.
  /// - Throws: `NetError` without keys (`.storage`) or connection, or if S3 refuses (`.status`); 404 is no error.
  public func parts(of upload: String, _ place: S3Location) throws(NetError) -> [S3Part]? {
    var parts: [S3Part] = []
    var marker = "0"
    while true {
      let page: XMLElement
      do throws(NetError) {
        page = try answer(
          .get, place, [("uploadId", upload), ("part-number-marker", marker)], named: "ListPartsResult")
      } catch {
        if error.status == 404 { return nil }
        throw error
      }
      for part in page.all("Part") {
        guard let number = part["PartNumber"].flatMap({ Int($0) }), let bytes = part["Size"].flatMap({ Int64($0) })
        else { continue }
        parts.append(
          S3Part(number: number, bytes: bytes, etag: part["ETag"] ?? "", checksum: part["ChecksumSHA256"]))
      }
      guard page["IsTruncated"] == "true", let next = page["NextPartNumberMarker"], next != marker,
        parts.count <= Self.mostParts
      else { return parts }
      marker = next
    }
  }

  /// Completes an object from its parts. If the response is lost and a retry fails, the existing object counts. A
  /// service may need minutes for a large object.
  /// - Returns: the ETag.
  /// - Throws: `NetError` without keys (`.storage`) or connection, or if S3 refuses (`.status`).
  public func completeUpload(
    _ upload: String, _ place: S3Location, parts: [S3Part], bytes: Int64, digest: Digest
  ) throws(NetError) -> String {
    var text = "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
    for part in parts.sorted(by: { $0.number < $1.number }) {
      let checksum = part.checksum.map { "<ChecksumSHA256>\($0)</ChecksumSHA256>" } ?? ""
      text +=
        "<Part><PartNumber>\(part.number)</PartNumber><ETag>\(markupEscaped(part.etag, quotes: false))</ETag>\(checksum)</Part>"
    }
    text += "</CompleteMultipartUpload>"
    do throws(NetError) {
      let root = try answer(
        .post, place, [("uploadId", upload)], headers: ["Content-Type": "application/xml"],
        body: .bytes(Array(text.utf8)), named: "CompleteMultipartUploadResult")
      return root["ETag"] ?? ""
    } catch {
      guard error.status == 404, let object = try awaitObject(place, bytes: bytes, digest: digest) else { throw error }
      return object.etag
    }
  }

  /// Waits for the object of a running completion; nil if none with this content appears within some seconds.
  ///
  /// Between the end of the upload and the appearance of the object, a service may show neither.
  /// - Throws: `NetError` without keys (`.storage`) or connection, or if S3 refuses (`.status`).
  public func awaitObject(_ place: S3Location, bytes: Int64, digest: Digest) throws(NetError) -> S3Object? {
    for wait in [0, 0.5, 1, 2, 4, 8] {
      http.clock.sleep(nanoseconds: Int(wait * 1e9), isCancelled: http.isCancelled)
      if let object = try head(place), object.bytes == bytes, object.digest == digest { return object }
    }
    return nil
  }

  /// Aborts an upload and deletes its parts.
  /// - Throws: `NetError` without keys (`.storage`) or connection, or if S3 refuses (`.status`); 404 is no error.
  public func abortUpload(_ upload: String, _ place: S3Location) throws(NetError) {
    do throws(NetError) { _ = try ask(.delete, place, query: [("uploadId", upload)]) } catch {
      if error.status != 404 { throw error }
    }
  }
}
