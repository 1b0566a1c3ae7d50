import Glibc
import ShardKit

/// Where this machine keeps the certificates of the authorities that it trusts.
public enum TrustedCertificates {
  /// The variable that names another file.
  public static let variable = "SSL_CERT_FILE"

  /// The files of distributions: Debian's, RHEL's, openSUSE's, Alpine's.
  static let places = [
    "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem",
  ]

  /// The file that the environment names, else the first that is there; nil if there is none.
  public static let file: String? = find(named: getenv(variable).map { String(cString: $0) })

  static func find(named: String?, exists: (String) -> Bool = FileSystem.exists) -> String? {
    if let named, !named.isEmpty { return named }
    return places.first(where: exists)
  }

  public static let remedy =
    "Install the certificates (Debian, Ubuntu, RHEL: the package ca-certificates), or name a file of them in \(variable)."
}
