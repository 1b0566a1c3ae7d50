import NetKit
import PipelineKit
public import ShardKit
public import TrainerCore

/// A token data set in a bucket or in a folder of another file system. Training reads it through a cache.
public struct RemoteTokens: ShardSource {
  private enum Place {
    case folder(FolderSource)
    case bucket(S3Location, S3Access, NetworkOptions, Politeness)
  }

  public let name: String
  private let place: Place

  /// The source at the data's place.
  /// - Throws: `StageError` (`.options`) if it is neither a bucket nor an absolute path, or the endpoint is not valid.
  public init(_ data: RemoteData) throws {
    name = data.place
    guard data.place.hasPrefix("s3://") else {
      guard data.place.hasPrefix("/") else {
        throw StageError(
          .options, "remote", "'\(data.place)' is neither s3://bucket/prefix nor an absolute path")
      }
      place = .folder(FolderSource(data.place))
      return
    }
    // Keys, region and profile come from the environment.
    var service = S3Options()
    service.endpoint = data.endpoint
    var network = NetworkOptions(delaySeconds: 0, attempts: 8)
    network.allowPrivateAddresses = data.allowsPrivateAddresses
    let bucket = try S3Location.stated(data.place, option: "remote")
    do throws(NetError) {
      place = .bucket(bucket, try service.access(), network, network.politeness(requestsAtOnce: 64))
    } catch { throw StageError(.options, "remoteEndpoint", error.message, hint: error.hint) }
  }

  /// One connection per file, since several threads and processes send requests.
  /// - Throws: `ShardError` if the file cannot be read or written; `.io` if the download fails.
  public func fetch(_ basename: String, to path: String) throws(ShardError) {
    switch place {
    case .folder(let source): try source.fetch(basename, to: path)
    case .bucket(let root, let access, let network, let politeness):
      do throws(NetError) {
        let http = try network.client(politeness, TaskControl()) { _ in }
        _ = try S3Client(http, access).download(root.appending(basename), to: path)
      } catch { throw ShardError(.io, error.subject, error.message, hint: error.hint) }
    }
  }
}
