import { useState } from "react";
import { FileTrigger, ListBox, ListBoxItem } from "react-aria-components";
import { imageUrl } from "../api/client";
import { useImages } from "../api/queries";
import type { ImageInfo } from "../api/schema";
import { Button } from "./button";
import { snapshot, useCamera } from "./camera";
import { CameraIcon, UploadIcon } from "./icons";
import { useGivenPhotographs, useUpload } from "./upload";
import { Window } from "./window";

interface Props {
  label?: string;
  value: string | null;
  onChange: (image: ImageInfo) => void;
  /** Whether the camera can take one. */
  camera?: boolean;
}

/** Photographs to choose from, and ways to add one: drop, paste, open, camera. */
export function ImagePicker({ label = "Photograph", value, onChange, camera = true }: Props) {
  const images = useImages().data ?? [];
  const upload = useUpload(onChange);
  const [filming, setFilming] = useState(false);
  const over = useGivenPhotographs((file) => upload.mutate({ file, name: file.name }));
  return (
    <section className="picker" aria-label={label} data-over={over || undefined}>
      <ListBox
        aria-label={label}
        className="picker-images"
        orientation="horizontal"
        selectionMode="single"
        disallowEmptySelection
        selectedKeys={value === null ? [] : [value]}
        items={images}
        onSelectionChange={(keys) => {
          const [key] = keys === "all" ? [] : [...keys];
          const image = images.find((one) => one.id === key);
          if (image) onChange(image);
        }}
      >
        {(image) => (
          <ListBoxItem textValue={image.name} className="picker-image">
            <img src={imageUrl(image.id, "thumbnail")} alt={image.name} title={image.name} />
          </ListBoxItem>
        )}
      </ListBox>
      <div className="picker-ways">
        <FileTrigger
          acceptedFileTypes={["image/*"]}
          onSelect={(files) => {
            const file = files?.[0];
            if (file) upload.mutate({ file, name: file.name });
          }}
        >
          <Button kind="quiet">
            <UploadIcon /> Open
          </Button>
        </FileTrigger>
        {camera && (
          <Button kind="quiet" onPress={() => setFilming(true)}>
            <CameraIcon /> Camera
          </Button>
        )}
        <span className="quiet">or drop or paste one</span>
      </div>
      <p role="status" className="status">
        {upload.isPending && "Opening the photograph…"}
        {upload.isError && upload.error.message}
      </p>
      <Window title="Camera" isOpen={filming} onOpenChange={setFilming}>
        <Shutter
          onShot={(file) => {
            setFilming(false);
            upload.mutate({ file, name: "camera.jpg" });
          }}
        />
      </Window>
    </section>
  );
}

function Shutter({ onShot }: { onShot: (file: Blob) => void }) {
  const { video, problem, ready } = useCamera(true);
  const shoot = async () => {
    const shot = video.current && (await snapshot(video.current, 1280));
    if (shot) onShot(shot);
  };
  return (
    <div className="shutter">
      <video ref={video} muted playsInline aria-label="What the camera sees" />
      {problem && <p role="alert">{problem}</p>}
      <Button kind="main" isDisabled={!ready} onPress={() => void shoot()}>
        Take the photograph
      </Button>
    </div>
  );
}
