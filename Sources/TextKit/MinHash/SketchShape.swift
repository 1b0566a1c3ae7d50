/// How texts are sketched: runs of `shingleWidth` scalars, and `bands` × `rows` lanes.
///
/// Two texts whose shingle sets have Jaccard similarity s share a band, and so become a candidate pair, with
/// a probability of 1 − (1 − s^rows)^bands: for 20 × 10, 0.90 at s = 0.8 and 0.997 at s = 0.87.
public struct SketchShape: Sendable, Equatable, Hashable {
  public var shingleWidth: Int
  public var bands: Int
  public var rows: Int

  public init(shingleWidth: Int = 5, bands: Int = 20, rows: Int = 10) {
    self.shingleWidth = shingleWidth
    self.bands = bands
    self.rows = rows
  }

  /// Lanes in a sketch.
  public var lanes: Int { bands * rows }

  /// Bytes of a sketch: two for a lane.
  public var sketchBytes: Int { lanes * 2 }

  /// Lanes that fit the kernel's stack.
  public static let maximumLanes = 4096
}
