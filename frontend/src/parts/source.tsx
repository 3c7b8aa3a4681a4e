import { type ReactNode, type RefObject, useEffect, useRef, useState } from "react";
import { FileTrigger } from "react-aria-components";
import { imageUrl } from "../api/client";
import type { ImageInfo } from "../api/schema";
import { Button } from "./button";
import { useCamera } from "./camera";
import { ImagePicker } from "./image_picker";

export type Showing = HTMLVideoElement | HTMLImageElement;

interface Props {
  image: ImageInfo | undefined;
  onImage: (image: ImageInfo) => void;
  /** Where what is shown stands, once it is shown. */
  source: RefObject<Showing | null>;
  /** What lies over it. */
  children?: ReactNode;
  /** What stands directly below it. */
  below?: ReactNode;
}

/** A photograph, the camera or a video file: what a page looks at, frame by frame. */
export function Source({ image, onImage, source, children, below }: Props) {
  const [kind, setKind] = useState<"photograph" | "camera" | "video">("photograph");
  const [video, setVideo] = useState<string | null>(null);
  return (
    <div className="source">
      <div className="photo">
        {kind === "camera" && <CameraView source={source} />}
        {kind === "video" && video && <VideoView address={video} source={source} />}
        {kind === "photograph" && image && (
          <img
            ref={(element) => {
              source.current = element;
            }}
            src={imageUrl(image.id)}
            alt={image.name}
            width={image.width}
            height={image.height}
          />
        )}
        {children}
      </div>
      {below}
      <div className="picker-ways">
        <Button
          kind={kind === "camera" ? "plain" : "main"}
          onPress={() => setKind(kind === "camera" ? "photograph" : "camera")}
        >
          {kind === "camera" ? "Stop the camera" : "Start the camera"}
        </Button>
        <FileTrigger
          acceptedFileTypes={["video/*"]}
          onSelect={(files) => {
            if (!files?.[0]) return;
            setVideo(URL.createObjectURL(files[0]));
            setKind("video");
          }}
        >
          <Button kind="quiet">Open a video</Button>
        </FileTrigger>
      </div>
      <ImagePicker
        camera={false}
        value={kind === "photograph" ? (image?.id ?? null) : null}
        onChange={(next) => {
          setKind("photograph");
          onImage(next);
        }}
      />
    </div>
  );
}

function CameraView({ source }: { source: RefObject<Showing | null> }) {
  const { video, problem } = useCamera(true);
  useEffect(() => {
    source.current = video.current;
  }, [source, video]);
  return (
    <>
      <video ref={video} muted playsInline aria-label="What the camera sees" />
      {problem && (
        <p role="alert" className="problem">
          {problem}
        </p>
      )}
    </>
  );
}

function VideoView({ address, source }: { address: string; source: RefObject<Showing | null> }) {
  const video = useRef<HTMLVideoElement>(null);
  useEffect(() => {
    source.current = video.current;
    return () => URL.revokeObjectURL(address);
  }, [source, address]);
  return <video ref={video} src={address} muted loop autoPlay playsInline aria-label="The video" />;
}
