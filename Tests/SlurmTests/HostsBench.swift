import Glibc
import ShardKit
import TestKit

/// Two names of this machine, reached by a real sshd, which share its file system.
final class HostsBench {
  let folder: String
  let tasks: ManyTasks
  private let server: ChildProcess

  static let isPossible = ["/usr/sbin/sshd", "/usr/bin/ssh"].allSatisfy { (path: String) in access(path, X_OK) == 0 }

  init() throws {
    folder = temporaryDirectory()
    let keys = folder + "/keys"
    try FileSystem.makeDirectory(keys)
    for name in ["host", "user"] {
      let made = try ChildProcess(
        ["-q", "-t", "ed25519", "-N", "", "-f", "\(keys)/\(name)"], program: "/usr/bin/ssh-keygen"
      ).wait()
      guard made.status == 0 else { throw ShardError(.io, keys, made.errors) }
    }
    let port = try freePort()
    let own = try FileSystem.read(keys + "/user.pub")
    try FileSystem.write(own, to: keys + "/authorized")
    try FileSystem.makeDirectory("/run/sshd")
    try FileSystem.write(
      Array(
        """
        Port \(port)
        ListenAddress 127.0.0.1
        HostKey \(keys)/host
        AuthorizedKeysFile \(keys)/authorized
        StrictModes no
        UsePAM no
        PidFile none
        """.utf8), to: keys + "/sshd_config")
    try FileSystem.write(
      Array(
        """
        Host first second
          HostName 127.0.0.1
          Port \(port)
          IdentityFile \(keys)/user
          StrictHostKeyChecking no
          UserKnownHostsFile /dev/null
          LogLevel ERROR
          BatchMode yes
        """.utf8), to: keys + "/config")
    chmod(keys + "/user", 0o600)
    server = try ChildProcess(["-D", "-e", "-f", keys + "/sshd_config"], program: "/usr/sbin/sshd")
    tasks = try ManyTasks(folder: folder)
    try write()
  }

  /// - Parameter members: JSON members of the profile in addition to the hosts.
  func write(_ members: String = "") throws {
    let more = members.isEmpty ? "" : ", " + members
    try tasks.write(
      profile: """
        "executor": "ssh", "hosts": { "first": 2, "second": 1 }, "ssh": ["ssh", "-F", "\(folder)/keys/config"]\(more)
        """)
  }

  deinit {
    server.signal(SIGTERM)
    _ = try? server.wait()
    try? FileSystem.removeTree(folder)
  }
}
