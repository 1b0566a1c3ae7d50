import NetKit
import PipelineKit
import ShardKit

/// Checks that all uploaded objects exist before an index that refers to them is uploaded.
struct S3Presence {
  private let root: S3Location
  private let lanes: S3ClientPool

  init(_ root: S3Location, _ lanes: S3ClientPool) {
    self.root = root
    self.lanes = lanes
  }

  func check(_ records: [UploadRecord], atOnce: Int) throws {
    guard !records.isEmpty else { return }
    do {
      try checkByListing(records)
    } catch let error as NetError where error.status == 403 {
      // Keys that may write need not be allowed to list.
      try checkOneByOne(records, atOnce: atOnce)
    }
  }

  private func checkByListing(_ records: [UploadRecord]) throws {
    var pending = Dictionary(records.map { (ExactText($0.place), $0) }, uniquingKeysWith: { $1 })
    try lanes.client().list(root.key.isEmpty ? root : root.appending("")) { entry in
      try lanes.control.check()
      guard let record = pending.removeValue(forKey: ExactText(entry.key)) else { return }
      try compare(record, bytes: entry.bytes, etag: entry.etag)
    }
    if let missing = pending.keys.min() { throw fault(missing.text, "was uploaded, but no longer exists") }
  }

  private func checkOneByOne(_ records: [UploadRecord], atOnce: Int) throws {
    try lanes.each(records.count, atOnce: atOnce) { item, client in
      let record = records[item]
      guard let object = try client.head(S3Location(bucket: root.bucket, key: record.place)) else {
        throw fault(record.place, "was uploaded, but no longer exists")
      }
      try compare(record, bytes: object.bytes, etag: object.etag)
    }
  }

  private func compare(_ record: UploadRecord, bytes: Int64, etag: String) throws {
    guard bytes == record.bytes, etag.unquoted == (record.etag ?? "").unquoted else {
      throw fault(record.place, "has different content since it was uploaded")
    }
  }

  private func fault(_ key: String, _ message: String) -> StageError {
    StageError(
      .check, "\(S3Location(bucket: root.bucket, key: key))", message,
      hint: "Make sure that nobody else writes there, then set another \"snapshot\".")
  }
}
