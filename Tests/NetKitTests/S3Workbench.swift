import Glibc
import ShardKit
import TestKit

@testable import NetKit

/// A bucket on this machine, and a client whose waits take no time.
final class S3Workbench {
  let store: ObjectStore
  let folder = temporaryDirectory()
  let clock = ManualClock(wallSeconds: time(nil))
  var options = HTTPClient.Options()
  var variables = ["AWS_ACCESS_KEY_ID": ObjectStore.accessKey, "AWS_SECRET_ACCESS_KEY": ObjectStore.secretKey]

  init() throws {
    store = try ObjectStore()
    options.allowsSpecialAddresses = true
    options.retrying.attempts = 4
  }

  deinit { try? FileSystem.removeTree(folder) }

  func client(_ endpoint: String? = nil, region: String = "") throws -> S3Client {
    let environment = reading(variables)
    let endpoint = try S3Endpoint(endpoint: endpoint ?? store.origin, region: region, environment: environment)
    let chain = CredentialChain(environment: environment, clock: clock)
    let politeness = Politeness(Politeness.Rules(delaySeconds: 0, requestsAtOnce: 64), clock: clock)
    return S3Client(try HTTPClient(options, politeness: politeness), S3Access(endpoint, chain))
  }

  func place(_ key: String) -> S3Location { S3Location(bucket: "corpus", key: key) }

  @discardableResult
  func put(_ key: String, _ content: [UInt8]) throws -> String {
    let path = folder + "/put"
    try FileSystem.write(content, to: path)
    return try client().put(
      place(key), file: path, bytes: Int64(content.count), digest: Digester.digest(content))
  }

  /// What boto3 finds in the bucket, by key.
  func objects() throws -> [String: JSONValue] {
    var out: [String: JSONValue] = [:]
    for line in (PeerScript.objects.run(store.origin, "list", "corpus") ?? []).split(separator: 10) {
      let json = try JSONValue.parse(Array(line)).value
      out[json["key"]?.string ?? ""] = json
    }
    return out
  }

  func sentence(_ body: () throws -> Void) -> String {
    do { try body() } catch {
      return "\(error)".replacing(store.origin, with: "http://store").replacing(folder, with: "FOLDER")
    }
    return "no error"
  }
}

func reading(_ variables: [String: String]) -> EnvironmentReading { { variables[$0] } }
