import { useMutation } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { api } from "../api/client";
import { queries } from "../api/queries";
import type { ImageInfo } from "../api/schema";

export function useUpload(onImage: (image: ImageInfo) => void) {
  return useMutation({
    mutationFn: ({ file, name }: { file: Blob; name: string }) => api.upload(file, name),
    onSuccess: (image) => {
      queries.setQueryData<ImageInfo[]>(["images"], (images) => [
        ...(images ?? []).filter((other) => other.id !== image.id),
        image,
      ]);
      onImage(image);
    },
  });
}

function picture(files: FileList | undefined): File | undefined {
  return [...(files ?? [])].find((file) => file.type.startsWith("image/") || file.type === "");
}

/** A photograph that is dropped on the page or pasted into it. Tells whether one is over the page. */
export function useGivenPhotographs(onFile: (file: File) => void): boolean {
  const [over, setOver] = useState(false);
  const take = useRef(onFile);
  take.current = onFile;
  useEffect(() => {
    const drag = (event: DragEvent) => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      setOver(true);
    };
    const leave = (event: DragEvent) => event.relatedTarget === null && setOver(false);
    const drop = (event: DragEvent) => {
      setOver(false);
      const file = picture(event.dataTransfer?.files);
      if (!file) return;
      event.preventDefault();
      take.current(file);
    };
    const paste = (event: ClipboardEvent) => {
      const file = picture(event.clipboardData?.files);
      if (file) take.current(file);
    };
    window.addEventListener("dragover", drag);
    window.addEventListener("dragleave", leave);
    window.addEventListener("drop", drop);
    window.addEventListener("paste", paste);
    return () => {
      window.removeEventListener("dragover", drag);
      window.removeEventListener("dragleave", leave);
      window.removeEventListener("drop", drop);
      window.removeEventListener("paste", paste);
    };
  }, []);
  return over;
}
