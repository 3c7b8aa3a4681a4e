import type { ReactNode } from "react";
import { Dialog, Heading, Modal, ModalOverlay } from "react-aria-components";
import { IconButton } from "./button";
import { CloseIcon } from "./icons";

export interface WindowProps {
  isOpen: boolean;
  onOpenChange: (open: boolean) => void;
}

/** A window over the page: Esc or a press beside it closes it. */
export function Window({
  title,
  children,
  ...props
}: WindowProps & { title: string; children: ReactNode }) {
  return (
    <ModalOverlay {...props} isDismissable className="overlay">
      <Modal className="window">
        <Dialog className="window-body">
          <div className="window-head">
            <Heading slot="title">{title}</Heading>
            <IconButton label="Close" onPress={() => props.onOpenChange(false)}>
              <CloseIcon />
            </IconButton>
          </div>
          {children}
        </Dialog>
      </Modal>
    </ModalOverlay>
  );
}
